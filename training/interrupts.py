"""Ctrl-C where a job can stop, and nowhere else.

Python raises KeyboardInterrupt wherever the main thread happens to be, which in training is mostly native code and its
callbacks: there it is dropped with no more than a line on standard error and the run goes on, or the code that it unwinds
dies of it. So it is written down, and raised at the next `check`.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

SAID: Final = b"\nStops as soon as it safely can; Ctrl-C again: at once, wherever it is.\n"


class _CtrlC:
    """Whether there was one. No Event: a handler that interrupts who holds its lock would wait for it for ever."""

    heard = False


@contextmanager
def heard() -> Iterator[None]:
    """A Ctrl-C in this block makes the next `check` raise KeyboardInterrupt; another raises it as soon as Python runs again,
    whatever becomes of the code that it meets."""
    if threading.current_thread() is not threading.main_thread():  # signals are its business alone
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
    """Raise KeyboardInterrupt if there was a Ctrl-C. To be called every few seconds, as far as native code allows."""
    if _CtrlC.heard:
        raise KeyboardInterrupt


def _hear(_signal: int, _frame: FrameType | None) -> None:
    check()
    _CtrlC.heard = True
    with suppress(OSError):  # whoever read it may have ended of the same Ctrl-C
        os.write(2, SAID)  # what sys.stderr is in the midst of cannot be known here
