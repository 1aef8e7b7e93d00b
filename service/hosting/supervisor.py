"""Replaces dead workers at once, and stops listening when the workers have ended.

BentoML's supervisor is the arbiter of circus. It looks at its workers every ten seconds, and listens on when they have ended.
BentoML makes the arbiter out of reach, so `attend` is called before (`bentoml.on_deployment`) and replaces the arbiter's start.
A killed worker was replaced after 5 s on average. A connection made after the workers had ended hung and was reset; now it is
refused at once (`listening.py`). In a container BentoML replaces no worker, and goes on with those that are left.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from bentoml._internal.utils.circus import Arbiter
from circus.exc import ConflictError
from circus.process import DEAD_OR_ZOMBIE, OTHER, Process
from prometheus_client.multiprocess import mark_process_dead

from service.hosting.listening import Listeners, only_bind, shut
from service.hosting.unfit import UNFIT

logger = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0
"""Least time between two replacements: a worker that ends at its start must not keep the machine busy."""
BUSY_SECONDS: Final = 0.02
"""So long after a refusal the arbiter is told to stop again."""
STARTED_SECONDS: Final = 30.0
"""A worker that lived for so long had started. In a container an earlier end is left to the orchestrator."""
STOPPED_SECONDS: Final = 0.3
"""Workers that were told to end stop listening within this time: uvicorn looks ten times a second."""
KILL_SECONDS: Final = 2.0
"""So long after the grace time a worker that ignores signals is killed."""


def attend(pause: float, grace: float) -> None:
    """Watch the workers of the arbiter that BentoML is about to start. `pause` and `grace`: as of `Draining`."""
    start, status = Arbiter.start, Process.status

    def status_reaped(process: Any) -> object:
        # A worker whose threads have not all ended looks dead, and circus would drop it without calling its hooks.
        found = status.fget(process)
        return OTHER if found == DEAD_OR_ZOMBIE else found

    def start_attended(arbiter: Any, cb: Callable[[Any], Any] | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():  # this thread gets no signals
            start(arbiter, cb)
            return
        attendance = _Attendance(arbiter, pause, grace)
        only_bind(arbiter.sockets.values())
        try:
            start(arbiter, cb)
        except RuntimeError as error:
            if "No active process" not in str(error):
                raise
            if not attendance.unfit:
                raise SystemExit(
                    "No worker is left, so the service ends. The lines above say why the last one ended."
                ) from None
        if attendance.unfit:
            raise SystemExit(UNFIT)

    Arbiter.start = start_attended  # type: ignore[assignment, method-assign]
    Process.status = property(status_reaped)


class _Attendance:
    def __init__(self, arbiter: Any, pause: float, grace: float) -> None:
        self._arbiter, self._pause = arbiter, pause
        self.unfit = False  # a worker has ended with UNFIT
        self._started = False  # whether the worker that is being reaped had started
        self._always = all(watcher.respawn for watcher in arbiter.iter_watchers())  # BentoML: not in a container
        self._looked = 0.0
        for watcher in arbiter.iter_watchers():
            watcher.graceful_timeout = grace + KILL_SECONDS
            watcher.hooks |= {"before_reap": self._before_reap, "after_reap": self._after_reap}
        self._ending = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGCHLD, self._on_child)

    def _on_end(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # workers that end now were told to
        if number == signal.SIGINT:  # from a terminal: no load balancer has to notice first
            for watcher in self._arbiter.iter_watchers():
                watcher.stop_signal = signal.SIGINT
                _end_starting(watcher)
        else:
            self._arbiter.loop.add_callback_from_signal(self._stop_listening_later)
        if not self._ending:
            self._ending = True
            self._arbiter.loop.add_callback_from_signal(self._end)

    async def _end(self) -> None:
        try:
            await self._arbiter.stop()
        except ConflictError:  # the arbiter runs another command, such as one that starts a worker; circus would give up
            self._arbiter.loop.call_later(BUSY_SECONDS, self._end)

    def _stop_listening_later(self) -> None:
        self._arbiter.loop.call_later(self._pause + STOPPED_SECONDS, self._stop_listening)

    def _stop_listening(self) -> None:
        shut(self._arbiter.sockets.values())

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        self._arbiter.loop.add_callback_from_signal(self._reap)

    def _reap(self) -> None:
        self._arbiter.reap_processes()  # at once: when no worker is left, the supervisor stops listening
        self._look_soon()

    def _look_soon(self) -> None:
        loop = self._arbiter.loop
        loop.call_at(max(loop.time(), self._looked + LOOK_SECONDS), self._look)

    async def _look(self) -> None:
        self._looked = self._arbiter.loop.time()
        try:
            await self._arbiter.manage_watchers()
        except ConflictError:  # the arbiter runs another command
            self._look_soon()

    def _before_reap(self, watcher: Any, process_pid: int, **_: object) -> bool:
        """A hook of circus, called for a worker that has ended."""
        self._started = watcher.processes[process_pid].age() > STARTED_SECONDS
        return True

    def _after_reap(self, watcher: Any, process_pid: int, exit_code: int, **_: object) -> bool:
        if not watcher.is_stopping():
            logger.error("worker %d has ended with %d", process_pid, exit_code)
        if exit_code == UNFIT and not self.unfit:  # the next worker would end for the same reason
            self.unfit, watcher.respawn = True, False
            os.kill(os.getpid(), signal.SIGINT)
        if not self._always:  # the orchestrator sees a worker that cannot start
            watcher.respawn = self._started or exit_code == -signal.SIGKILL
        folder = watcher.env["PROMETHEUS_MULTIPROC_DIR"]
        Listeners(Path(folder)).shut_unless_any(self._arbiter.sockets.values())
        if os.path.isdir(folder):
            mark_process_dead(process_pid, folder)  # type: ignore[no-untyped-call]  # otherwise its gauges would be summed for ever
        return True


def _end_starting(watcher: Any) -> None:
    """End the workers that do not listen yet: SIGTERM ends them in silence, and BentoML would show a SIGINT."""
    for starting in watcher.processes.keys() - Listeners(Path(watcher.env["PROMETHEUS_MULTIPROC_DIR"])).joined():
        with suppress(ProcessLookupError):
            os.kill(starting, signal.SIGTERM)
