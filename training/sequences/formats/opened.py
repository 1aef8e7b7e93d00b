"""Opens a file that may be remote or compressed, and hashes it as it is stored."""

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from training.sequences.source import STDIN, Source, refuse

BLOCK: Final = 1 << 22
"""Bytes that are read at once."""
MOST_PIPED: Final = 256 << 20
"""Bytes that are read from a pipe, which may have no end. Files have no limit."""
COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")
BROKEN: Final = (EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
"""What damaged compressed files raise, beside OSError."""


class Hashed(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream, self._hash, self._left = stream, hashlib.sha256(), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._stream.read(len(buffer))
        buffer[: len(taken)] = taken
        self._left -= len(taken)
        if self._left < 0:
            raise OSError(errno.EFBIG, f"expected at most {MOST_PIPED >> 20} MiB from a pipe; received more: save it to a file")
        self._hash.update(taken)
        return len(taken)

    def hexdigest(self) -> str:
        while self.read(BLOCK):  # to the end, since a reader may stop early
            pass
        return self._hash.hexdigest()


class _Arrows(io.RawIOBase):
    """Arrow's stream, which reads but knows no lines."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._stream.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)


class Opened:
    """A file that is open. Take its content once, by `stream` or by `seekable`; then its hash."""

    def __init__(self, source: Source, raw: BinaryIO, stack: ExitStack) -> None:
        self._source, self._raw, self._stack = source, raw, stack
        self._whole: str | None = None  # the hash, where all was read before
        self._hashed = Hashed(raw, sys.maxsize if _is_file(raw) or "://" in source.path else MOST_PIPED)
        self._codec, self.suffix = _suffixes(source)  # the suffix is that of the content, such as .csv

    @property
    def sha256(self) -> str:
        return self._whole or self._hashed.hexdigest()

    def stream(self) -> BinaryIO:
        """The content, from its start to its end."""
        raw = io.BufferedReader(self._hashed, BLOCK)
        match self._codec:
            case ".gz":
                return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
            case ".bz2":
                return cast(BinaryIO, bz2.BZ2File(raw))
            case ".xz":
                return cast(BinaryIO, lzma.LZMAFile(raw))
            case ".zst":
                return cast(
                    BinaryIO, io.BufferedReader(_Arrows(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")), BLOCK)
                )
            case ".zip":
                archive = self._stack.enter_context(zipfile.ZipFile(self._copied(raw)))
                files = [name for name in archive.namelist() if not name.endswith("/")]
                if len(files) != 1:
                    refuse(
                        self._source, f"expected one file in the archive; received {len(files)}: unpack it, and name one file"
                    )
                return cast(BinaryIO, self._stack.enter_context(archive.open(files[0])))
            case _:
                return cast(BinaryIO, raw)

    def seekable(self) -> BinaryIO:
        """The content, for readers that jump."""
        if self._codec or not _is_file(self._raw):
            return self._copied(self.stream())
        self._whole = self._hashed.hexdigest()
        self._raw.seek(0)
        return self._raw

    def _copied(self, stream: BinaryIO) -> BinaryIO:
        copy = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(stream, copy, BLOCK)
        copy.seek(0)
        return cast(BinaryIO, copy)


@contextmanager
def opened(source: Source) -> Iterator[Opened]:
    """Open `source.path`. Raises OSError, or DataRefused where it is no file."""
    with ExitStack() as stack:
        if source.path == STDIN:
            yield Opened(source, sys.stdin.buffer, stack)
        elif "://" in source.path:
            import fsspec  # noqa: PLC0415 - local files do not need it

            try:
                raw = stack.enter_context(fsspec.open(source.path, "rb"))
            except (ImportError, ValueError) as error:  # the protocol's package is missing, or the protocol is unknown
                refuse(source, f"cannot be opened: {str(error).splitlines()[0]}")
            yield Opened(source, raw, stack)
        else:
            try:
                raw = stack.enter_context(open(source.path, "rb"))
            except IsADirectoryError:
                first = next(iter(sorted(os.listdir(source.path))), "my.csv")
                refuse(source, f"is a folder: name a file in it, such as {os.path.join(source.path, first)}")
            yield Opened(source, raw, stack)


def _suffixes(source: Source) -> tuple[str, str]:
    """The suffix of the compression, if any, and that of the content."""
    if source.path == STDIN:
        return "", ".csv"
    path = PurePosixPath(source.path.lower())
    return (path.suffix, path.with_suffix("").suffix) if path.suffix in COMPRESSED else ("", path.suffix)


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream in memory, as in tests
        return False
