"""What the workers of one service tell each other: each writes a small file in a folder that they share.

The folder lasts as long as the supervisor. The rates of keys are in it too, so a worker that starts finds both.
"""

import atexit
import json
import logging
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def shared_folder(supervisor: int | None = None) -> Path:
    """The folder of the processes that one supervisor started, by default this worker's. It may not exist yet."""
    return Path(tempfile.gettempdir()) / f"unroll-{os.getuid()}-{supervisor or os.getppid()}"


def remove_at_exit() -> None:
    """In the supervisor: remove the workers' folder when the service has ended."""
    atexit.register(shutil.rmtree, shared_folder(os.getpid()), ignore_errors=True)


class WorkerStates:
    """`folder`: by default `shared_folder()`. PermissionError: the folder belongs to another user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._supervisor = folder or shared_folder(), os.getppid()
        self._make_folder()
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
                self._make_folder()  # something that tidies the temporary folder may have removed it
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
        """Remove this worker's file. Where the supervisor was killed, the last worker removes the folder."""
        self._mine.unlink(missing_ok=True)
        if os.getppid() != self._supervisor and not any(self._folder.glob("*.json")):  # nobody starts a worker any more
            shutil.rmtree(self._folder, ignore_errors=True)

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._folder.lstat()  # every user can write to the temporary folder and can guess the name
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{self._folder} belongs to another user; remove it, or set TMPDIR")
