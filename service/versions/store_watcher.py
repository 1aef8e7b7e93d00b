"""Watches the store: looks at it after each change, and also every few seconds."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import watchfiles

logger = logging.getLogger(__name__)
STEP_MS: Final = 50
"""The watcher looks once nothing has changed for so long. Its thread also wakes, and takes Python's lock, so often."""
DEBOUNCE_MS: Final = 200
"""While changes go on, the watcher looks after so long."""


class StoreWatcher:
    """A thread that calls `look` when anything below `folder` changes, and every `seconds` besides.

    Looking every few seconds serves file systems that announce no changes, such as network volumes, and a missing folder.
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
            except Exception:  # a volume is gone or a limit of the system is reached: serve on and try again
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
            if not self._folder.is_dir():  # a new folder of that name would not be watched
                return

    def _safely_look(self) -> None:
        try:
            self._look()
        except Exception:  # whatever is wrong with the store, the models in memory are served on
            logger.exception("looking at %s failed", self._folder)
