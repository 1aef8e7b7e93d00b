"""What the workers of one service tell each other: a small file each, in a folder that only they know."""

import contextlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any


def shared_folder() -> Path:
    """A name, of a folder that the processes which one supervisor started have for themselves."""
    return Path(tempfile.gettempdir()) / f"unroll-{os.getuid()}-{os.getppid()}"


class Workers:
    """`folder`: as of `shared_folder`, where none is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or shared_folder()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._folder.lstat()  # the temporary folder is everybody's, and the name can be guessed
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{self._folder} belongs to somebody else; remove it, or set TMPDIR")
        self._mine = self._folder / f"{os.getpid()}.json"

    def tell(self, state: dict[str, Any]) -> None:
        """What this worker does now. Whole or not at all; it need not outlive a crash, so nobody waits for the disk."""
        temporary = self._mine.with_suffix(".tmp")
        temporary.write_text(json.dumps({"pid": os.getpid(), **state}))
        temporary.replace(self._mine)

    def all(self) -> list[dict[str, Any]]:
        """Every living worker's state, by process id. Files of the dead are swept away."""
        states = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                os.kill(int(path.stem), 0)
                states.append(json.loads(path.read_text()))
            except ProcessLookupError:
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # another worker swept it away just now
                continue
        return sorted(states, key=lambda state: state["pid"])

    def leave(self) -> None:
        """The last to leave takes the folder along."""
        self._mine.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others are still there, or were faster
            self._folder.rmdir()
