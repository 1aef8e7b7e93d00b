"""Ctrl-C between two steps of training, never within one.

Python raises KeyboardInterrupt wherever the main thread happens to be, which in training is mostly native code and its
callbacks: there it is dropped with no more than a line on standard error and the run goes on, or the code that it unwinds
dies of it. So it is written down, and raised at the next `check`.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SAID: Final = b"\nEnds after this step; Ctrl-C again: at once.\n"
_asked: Final = threading.Event()


@contextmanager
def heard() -> Iterator[None]:
    """A Ctrl-C in this block makes the next `check` raise KeyboardInterrupt; another raises it at once, wherever that is."""
    if threading.current_thread() is not threading.main_thread():  # signals are its business alone
        yield
        return
    before = signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked.clear()


def check() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C. To be called at least every few seconds."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _hear(_signal: int, _frame: FrameType | None) -> None:
    if _asked.is_set():
        raise KeyboardInterrupt
    _asked.set()
    os.write(2, SAID)  # what sys.stderr is in the midst of cannot be known here
