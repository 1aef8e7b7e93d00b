"""How a worker ends that is not put together as it must be."""

import os
import sys
from typing import Final, NoReturn

UNFIT: Final = 78
"""The exit code (EX_CONFIG of sysexits.h), after which the supervisor ends the service: the next worker would end as well."""


def end_unfit(why: str) -> NoReturn:
    sys.stderr.write(f"This worker cannot start: {why}.\n")
    sys.stderr.flush()
    os._exit(UNFIT)
