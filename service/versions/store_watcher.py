"""Keeps the registry in step with the store: looks when something changes there, and every few seconds all the same."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import watchfiles

logger = logging.getLogger(__name__)
STEP_MS: Final = 50
"""A change is acted upon when nothing else has changed for so long. As often its thread wakes, and takes Python's lock;"""
DEBOUNCE_MS: Final = 200
"""or at the latest after so long."""


class StoreWatcher:
    """A thread that calls `look` when anything below `folder` changes, and every `seconds` besides.

    The second is for file systems that announce nothing, such as network volumes, and for a folder that is not there yet.
    """

    def __init__(self, folder: Path, seconds: float, look: Callable[[], None]) -> None:
        self._folder, self._seconds, self._look = folder, seconds, look
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=self._seconds + 1)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch()
            except Exception:  # a volume that is gone, a limit of the system: serve on, and try again
                logger.exception("cannot watch %s; looking every %g s", self._folder, self._seconds)
            self._stopped.wait(self._seconds)
            self._safely_look()

    def _watch(self) -> None:
        if not self._folder.is_dir():
            return
        changes = watchfiles.watch(
            self._folder,
            watch_filter=None,
            step=STEP_MS,
            debounce=DEBOUNCE_MS,
            rust_timeout=round(self._seconds * 1e3),
            yield_on_timeout=True,
            stop_event=self._stopped,
            raise_interrupt=False,
        )
        for _ in changes:
            self._safely_look()
            if not self._folder.is_dir():  # what is watched is no longer what has that name
                return

    def _safely_look(self) -> None:
        try:
            self._look()
        except Exception:  # whatever the store has come to: what is in memory is served on
            logger.exception("looking at %s failed", self._folder)
