"""How every benchmark ends: after its measurement, a missing tool, or Ctrl-C."""

import signal
import sys
from collections.abc import Callable

from benchmarks.load import wrk
from benchmarks.servers.served_model import Unavailable
from loadtests.processes import NotServing


def interruptible(name: str, measure: Callable[[], int], needs_wrk: bool = True) -> int:
    """The exit code of `measure`; 2 when something is missing, 130 after Ctrl-C or SIGTERM. Its servers end in any case."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if needs_wrk and not wrk.there():
            raise Unavailable("wrk is not installed; on Debian: apt-get install wrk")
        return measure()
    except (Unavailable, NotServing) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
