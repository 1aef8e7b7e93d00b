"""When a request's coroutine starts, and how it is run without a task."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

logger = logging.getLogger(__name__)


class Turns:
    """Tells a request that is alone from those that came in the same turn of the event loop and could share a batch.

    A request starts at once if the previous turn had at most one request and none is in progress. Otherwise it starts when the
    turn ends: then it is known how many there are.
    """

    def __init__(self, busy: Callable[[], object]) -> None:
        self._busy = busy  # whether anything is in progress
        self._came = 0  # in this turn
        self._before = 0  # in the last turn that had any
        self._waiting: list[Callable[[bool], None]] = []

    def begin(self, start: Callable[[bool], None]) -> None:
        """Call `start` now or when the turn ends, with whether the request is alone."""
        self._came += 1
        if self._came == 1:
            asyncio.get_running_loop().call_soon(self._end)
            if self._before <= 1 and not self._busy():
                start(True)
                return
        self._waiting.append(start)

    def _end(self) -> None:
        self._before, self._came = self._came, 0
        waiting, self._waiting = self._waiting, []
        alone = len(waiting) == 1 and not self._busy()
        for start in waiting:
            start(alone)


def run(coroutine: Coroutine[Any, Any, None], fail: Callable[[], None]) -> None:
    """Run a coroutine up to its first wait at once, and resume it when its future is done, in a context of its own.

    A task would do the same one turn of the loop later, for some 3 us more. The coroutine must not use `asyncio.timeout` or
    `current_task`: there is no task. `fail` is called if it raises.
    """
    _Running(coroutine, fail).step()


class _Running:
    __slots__ = ("_context", "_coroutine", "_fail")

    def __init__(self, coroutine: Coroutine[Any, Any, None], fail: Callable[[], None]) -> None:
        self._coroutine, self._fail, self._context = coroutine, fail, Context()

    def step(self, _done: object = None) -> None:
        try:
            waits_for = self._context.run(self._coroutine.send, None)
        except StopIteration:
            return
        except Exception:
            logger.exception("answering a request failed")
            self._fail()
            return
        if waits_for is None:  # a turn of the loop
            asyncio.get_running_loop().call_soon(self.step)
            return
        waits_for._asyncio_future_blocking = False  # noqa: SLF001 - tells the future that it is awaited
        waits_for.add_done_callback(self.step)
