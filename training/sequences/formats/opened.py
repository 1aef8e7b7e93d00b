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
"""Bytes that are read from a pipe, which may have no end, or out of a compressed file. Plain files have no limit."""
INSTEAD: Final = "write long sequences with an item per line, or as NPZ"
TOO_LONG: Final = f"expected lines of at most {BLOCK >> 20} MiB; received a longer one: {INSTEAD}"
COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")
BROKEN: Final = (EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
"""What damaged compressed files raise, beside OSError."""


class Bounded(io.RawIOBase):
    """A stream that may not go on for ever. Arrow's streams read, but know no lines: this one gives them some."""

    def __init__(self, stream: Any, most: int, what: str) -> None:
        self._stream, self._left, self._what = stream, most, what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken: bytes = self._stream.read(len(buffer))
        buffer[: len(taken)] = taken
        self._left -= len(taken)
        if self._left < 0:
            raise OSError(errno.EFBIG, f"expected at most {MOST_PIPED >> 20} MiB {self._what}")
        self._took(taken)
        return len(taken)

    def _took(self, taken: bytes) -> None:
        pass


class Hashed(Bounded):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        super().__init__(stream, most, "from a pipe; received more: save it to a file")
        self._hash = hashlib.sha256()

    def _took(self, taken: bytes) -> None:
        self._hash.update(taken)

    def hexdigest(self) -> str:
        while self.read(BLOCK):  # to the end, since a reader may stop early
            pass
        return self._hash.hexdigest()


def lines_of(stream: BinaryIO, source: Source) -> Iterator[str]:
    """Lines of text. Raises DataRefused where one is too long to be held."""
    while line := stream.readline(BLOCK + 1):
        if len(line) > BLOCK:
            refuse(source, TOO_LONG)
        yield line.decode("utf-8", "replace")


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
        if not self._codec:
            return cast(BinaryIO, raw)
        what = "after decompression; received more: decompress it, and name the file"
        return cast(BinaryIO, io.BufferedReader(Bounded(self._decompressed(raw), MOST_PIPED, what), BLOCK))

    def _decompressed(self, raw: "io.BufferedReader[Hashed]") -> Any:
        match self._codec:
            case ".gz":
                return gzip.GzipFile(fileobj=raw)
            case ".bz2":
                return bz2.BZ2File(raw)
            case ".xz":
                return lzma.LZMAFile(raw)
            case ".zst":
                return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
            case _:
                archive = self._stack.enter_context(zipfile.ZipFile(self._copied(cast(BinaryIO, raw))))
                files = [name for name in archive.namelist() if not name.endswith("/")]
                if len(files) != 1:
                    refuse(
                        self._source, f"expected one file in the archive; received {len(files)}: unpack it, and name one file"
                    )
                return self._stack.enter_context(archive.open(files[0]))

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
