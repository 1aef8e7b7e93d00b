"""What the workers of one service tell each other: a small file each, in a folder that only they know."""

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
    """A name, of a folder that the processes which one supervisor started have for themselves."""
    return Path(tempfile.gettempdir()) / f"unroll-{os.getuid()}-{os.getppid()}"


class WorkerStates:
    """`folder`: as of `shared_folder`, where none is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or shared_folder()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._folder.lstat()  # the temporary folder is everybody's, and the name can be guessed
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{self._folder} belongs to somebody else; remove it, or set TMPDIR")
        self._state: dict[str, Any] = {}
        self._telling = threading.Lock()  # pages and the watcher tell, each in a thread, and there is one temporary file
        self._mine = self._folder / f"{os.getpid()}.json"

    def tell(self, state: dict[str, Any]) -> None:
        """What this worker does now. Whole or not at all; it need not outlive a crash, so nobody waits for the disk."""
        told = {"pid": os.getpid(), **state}
        temporary = self._mine.with_suffix(".tmp")
        with self._telling:
            self._state = told
            try:
                temporary.write_text(json.dumps(told))
                temporary.replace(self._mine)
            except OSError as error:  # the disk is full: the others know what was, and this worker serves on
                logger.warning("cannot tell the other workers what this one serves: %s", error)

    def all(self) -> list[dict[str, Any]]:
        """Every living worker's state, by process id. Files of the dead are swept away."""
        states = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                os.kill(int(path.stem), 0)
                states.append(self._state if path == self._mine and self._state else json.loads(path.read_text()))
            except (ProcessLookupError, PermissionError):  # dead; or so is it, and its number is another user's by now
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # another worker swept it away just now
                continue
        return sorted(states, key=lambda state: state["pid"])

    def leave(self) -> None:
        """The last to leave takes the folder along, with the keys' rates in it."""
        self._mine.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others were faster
            if not any(self._folder.glob("*.json")):
                for left in self._folder.iterdir():
                    left.unlink()
                self._folder.rmdir()
