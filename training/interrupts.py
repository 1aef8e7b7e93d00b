"""Ctrl-C that is not lost.

Python drops a KeyboardInterrupt that happens to be raised in a finalizer or in a callback of native code, of which training
has many, with no more than a line on standard error; the run would go on. So it is written down, and raised again at the
next `check`.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_asked: Final = threading.Event()


@contextmanager
def heard() -> Iterator[None]:
    """A Ctrl-C in this block raises KeyboardInterrupt as ever, and makes `check` raise it."""
    if threading.current_thread() is not threading.main_thread():  # signals are its business alone
        yield
        return
    _asked.clear()
    before = signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _hear(_signal: int, _frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
