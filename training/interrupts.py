"""Lets Ctrl-C stop a job only at places where the job can stop.

Python raises KeyboardInterrupt wherever the main thread is. In training that is mostly native code and its callbacks. They
drop the exception with a line on standard error, or crash. So a Ctrl-C is noted, and raised at the next `check`.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

SAID: Final = b"\nStopping at the next safe point. Ctrl-C again stops at once.\n"


class _CtrlC:
    """Whether Ctrl-C was pressed. Not an Event: a handler that interrupts the holder of its lock would wait for ever."""

    heard = False


@contextmanager
def heard() -> Iterator[None]:
    """A Ctrl-C in this block makes the next `check` raise KeyboardInterrupt. A second one raises it at once, in any code."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    _CtrlC.heard = False
    before = signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        _CtrlC.heard = False
        signal.signal(signal.SIGINT, before)


def check() -> None:
    """Raise KeyboardInterrupt after a Ctrl-C. Call it every few seconds, as far as native code allows."""
    if _CtrlC.heard:
        raise KeyboardInterrupt


def _hear(_signal: int, _frame: FrameType | None) -> None:
    check()
    _CtrlC.heard = True
    with suppress(OSError):  # the reader may have ended by the same Ctrl-C
        os.write(2, SAID)  # sys.stderr may be in the middle of a write
