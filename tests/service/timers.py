"""An event loop's timers without a loop: time passes when a test says so."""

from collections.abc import Callable
from contextvars import Context
from typing import Any


class Timer:
    def __init__(self, due: float, callback: Callable[..., Any]) -> None:
        self.due, self.callback, self.cancelled = due, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """Stands for an event loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[..., Any], context: Context | None = None) -> Timer:
        self.set.append(Timer(self.now + seconds, callback))
        return self.set[-1]

    def pass_time(self, seconds: float) -> None:
        """Call what is due meanwhile, in its order."""
        until = self.now + seconds
        while due := [timer for timer in self.set if not timer.cancelled and timer.due <= until]:
            first = min(due, key=lambda timer: timer.due)
            self.set.remove(first)
            self.now = first.due
            first.callback()
        self.now = until
