"""Files that outlive their writer: written whole or not at all, on disk on return, one writer at a time."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone, of all processes, in a folder; what killed writers left in it is swept away."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process has locked a file for itself. Raises FileNotFoundError."""
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # NFS locks what is open to be read for no more than this
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder of this writer's own below `parent`, locked while it lives; those whose writer died are swept away."""
    parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with locked(parent):  # nobody sweeps between our mkdir and our lock
            _sweep(parent)
            mine = parent / secrets.token_hex(8)
            mine.mkdir()
            owner = stack.enter_context(open(mine / ".owner", "w"))
            fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield mine
        finally:
            with locked(parent):  # half removed, it looks like one whose writer died
                owner.close()  # NFS keeps an open file that is removed, under another name, and so its folder
                shutil.rmtree(mine)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content: a reader sees the old or the new, and it is on disk on return."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """(path, size, time of change in ns) of every file below a folder: differs when any of them was written to."""
    found = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            status = path.stat()
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(found)


def folders(parent: Path) -> list[Path]:
    """The folders in a folder that need not exist, hidden ones left out."""
    try:
        return [p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except FileNotFoundError:
        return []


def hash_files(folder: Path, but: str) -> dict[str, str]:
    """Path below `folder` -> SHA-256, for every file but one at its top."""
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items() if name != but}


def sync(path: Path) -> None:
    """A file's content, or a folder's list of names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def _sweep(parent: Path) -> None:
    for left in folders(parent):
        if not _owned(left):
            shutil.rmtree(left)


def _owned(staging: Path) -> bool:
    """Whether the writer of a staging folder still lives."""
    try:
        return is_locked(staging / ".owner")
    except FileNotFoundError:  # killed before it took the lock
        return False
