"""A process that publishes, and that the operating system kills just before its n-th write.

Run as a module it imports a function once, then forks a child for every line on its standard input: the child calls the
function and, if the line has a number above 0, kills itself with SIGKILL at that write. Exit codes come back as lines.
Writes are seen by Python's audit events: opening to write or to sync, making, renaming, removing, locking. `at="event"`
counts every audit event instead: many more come while Python works, such as imports and frames looked at.
"""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "fcntl.flock"}


class Victim:
    """`function` is "module:name" of a function that takes the models folder, `root`."""

    def __init__(self, function: str, root: Path) -> None:
        command = [sys.executable, "-m", "tests.victim", function, str(root)]
        project = Path(__file__).parents[1]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project)

    def __enter__(self) -> Self:
        self._process.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.__exit__(kind, value, traceback)

    def start(self, kill_at: int = 0, at: Literal["write", "event"] = "write") -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{kill_at} {at}\n")
        self._process.stdin.flush()

    def exit_code(self) -> int:
        """Of the child started last; -9 when it was killed."""
        assert self._process.stdout
        return int(self._process.stdout.readline())


def _die_at(last: int, root: Path, any_event: bool) -> Any:
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        opened = event == "open" and isinstance(args[0], str | Path)
        to_write = opened and isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        to_sync = opened and str(args[0]).startswith(str(root))
        if any_event or event in WRITES or to_write or to_sync:
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function, root = getattr(importlib.import_module(module), name), Path(sys.argv[2])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            kill_at, at = line.split()
            sys.addaudithook(_die_at(int(kill_at), root.parent, at == "event"))
            function(root)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
