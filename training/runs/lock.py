"""The lock of a run: `.lock` in its folder, held by the process that works on the run."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from contract.atomic_files import is_locked


def held(folder: Path) -> bool:
    """Whether a process works on the run."""
    with _asking(folder), contextlib.suppress(FileNotFoundError):
        return is_locked(folder / ".lock")
    return False


def take(folder: Path) -> IO[str] | None:
    """Take the lock. None where another process holds it."""
    with _asking(folder):
        lock = open(folder / ".lock", "a")  # noqa: SIM115 - held as long as the run
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock


@contextlib.contextmanager
def _asking(folder: Path) -> Iterator[None]:
    """One process at a time tries the lock, so a process that only asks never seems to hold it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
