"""What the workers of one service tell each other: each writes a small file in a folder that they share."""

import contextlib
import json
import logging
import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def shared_folder() -> Path:
    """The folder of the processes that one supervisor started. It may not exist yet."""
    return Path(tempfile.gettempdir()) / f"unroll-{os.getuid()}-{os.getppid()}"


class WorkerStates:
    """`folder`: by default `shared_folder()`. PermissionError: the folder belongs to another user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or shared_folder()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._folder.lstat()  # every user can write to the temporary folder and can guess the name
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{self._folder} belongs to another user; remove it, or set TMPDIR")
        self._state: dict[str, Any] = {}
        self._telling = threading.Lock()  # pages and the watcher tell in different threads, with one temporary file
        self._mine = self._folder / f"{os.getpid()}.json"

    def tell(self, state: dict[str, Any]) -> None:
        """Publish what this worker does now. Atomic, and without fsync: the file need not survive a crash."""
        told = {"pid": os.getpid(), **state}
        temporary = self._mine.with_suffix(".tmp")
        with self._telling:
            self._state = told
            try:
                temporary.write_text(json.dumps(told))
                temporary.replace(self._mine)
            except OSError as error:  # the disk is full: this worker serves on, the others read its last state
                logger.warning("cannot write what this worker serves for the other workers: %s", error)

    def all(self) -> list[dict[str, Any]]:
        """The state of every living worker, by process id. Removes the files of dead workers."""
        states = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                os.kill(int(path.stem), 0)
                states.append(self._state if path == self._mine and self._state else json.loads(path.read_text()))
            except (ProcessLookupError, PermissionError):  # dead; PermissionError: its id now belongs to another user
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # another worker has just removed it
                continue
        return sorted(states, key=lambda state: state["pid"])

    def leave(self) -> None:
        """Remove this worker's file. The last worker removes the folder too, and the rates of keys in it."""
        self._mine.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another worker was faster
            if not any(self._folder.glob("*.json")):
                for left in self._folder.iterdir():
                    left.unlink()
                self._folder.rmdir()
