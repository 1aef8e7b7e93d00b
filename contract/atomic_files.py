"""Files that survive a killed writer: written whole or not at all, on disk on return, by one writer at a time."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 24
"""Bytes of a manifest or a file of aliases, at most. The largest that this project writes have less than a megabyte."""
STAGED: Final = "unroll-"
"""The names of staging folders begin so. Sixteen hexadecimal digits follow."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder against all other processes. Removes the temporary files of killed writers."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds an exclusive lock on a file. Raises FileNotFoundError."""
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # on NFS a file opened for reading takes only a shared lock
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder for this writer alone below `parent`, locked while in use. Removes such folders whose writer died."""
    parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with locked(parent):  # no other writer sweeps between mkdir and lock
            _sweep(parent)
            mine = parent / f"{STAGED}{secrets.token_hex(8)}"
            mine.mkdir()
            owner = stack.enter_context(open(mine / ".owner", "w"))
            fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield mine
        finally:
            with locked(parent):  # a half-removed folder looks like one whose writer died
                owner.close()  # NFS renames an open file that is removed, so the folder would not be empty
                shutil.rmtree(mine)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content. A reader sees the old or the new content; the new one is on disk on return."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def read_small(path: Path) -> bytes:
    """A file's content. Raises OSError for more than LARGEST bytes, and for a FIFO or a device, which could block."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "expected a regular file; received a FIFO or a device", str(path))
        if status.st_size > LARGEST:
            raise OSError(errno.EFBIG, f"expected at most {LARGEST:,} bytes; received {status.st_size:,}", str(path))
        return file.read(LARGEST)


def state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """(path, size, time of change in ns) of every file below a folder. A write to any file changes the result."""
    found = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # deleted since the listing
            status = path.stat()
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(found)


def folders(parent: Path) -> list[Path]:
    """The folders in `parent`, without hidden ones. `parent` need not exist."""
    try:
        return [p for p in parent.iterdir() if not p.name.startswith(".") and _is_folder(p)]
    except FileNotFoundError:
        return []


def hash_files(folder: Path, but: str) -> dict[str, str]:
    """Path below `folder` -> SHA-256, for every file except `but` at the top."""
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: _hash(path) for name, path in files.items() if name != but}


def sync(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a stale handle: reading the folder will say why, and hides no other
        return True


def _sweep(parent: Path) -> None:
    for left in folders(parent):  # a folder of any other name is the user's
        if re.fullmatch(f"{STAGED}[0-9a-f]{{16}}", left.name) and not left.is_symlink() and not _owned(left):
            shutil.rmtree(left)


def _owned(staging: Path) -> bool:
    """Whether the writer of a staging folder is still alive."""
    try:
        return is_locked(staging / ".owner")
    except FileNotFoundError:  # the writer was killed before it took the lock
        return False
