"""How every command that measures ends, and what it says meanwhile."""

import signal
import sys
from collections.abc import Callable

from benchmarks.load import wrk
from benchmarks.servers.model import Unavailable
from loadtests.processes import NotServing


def interruptible(name: str, measure: Callable[[], int]) -> int:
    """The exit code of `measure`: 2 where something is missing, 130 after Ctrl-C or SIGTERM, its servers ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if not wrk.there():
            raise Unavailable("wrk is not installed; on Debian: apt-get install wrk")
        return measure()
    except (Unavailable, NotServing) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
