"""What a run has done so far, in a folder beside the output: one file a part, each with the answers to rows that follow.

A part appears by one rename, so that a killed run leaves whole parts only. A part's name says which rows it has.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from contract.atomic_files import sync, write_atomically
from training.runs.lock import take

RECORD = "progress.json"
LOCK = ".lock"
_NAME = re.compile(r"(\d{12})-(\d{12})\.arrow")


class InUse(Exception):
    """Another process writes the same output."""


class Parts:
    """`output`: the file that the parts become. Raises InUse, or OSError where the folder is somebody else's."""

    def __init__(self, output: Path) -> None:
        self.folder = output.with_name(f"{output.name}.parts")
        self.folder.mkdir(exist_ok=True)
        if any(self.folder.iterdir()) and not (self.folder / LOCK).exists():
            raise FileExistsError(f"{self.folder} has files that are no parts of a run: move it, or name another output")
        lock = take(self.folder)
        if lock is None:
            raise InUse(f"another process writes {output}")
        self._lock: IO[str] = lock

    @property
    def record(self) -> dict[str, Any] | None:
        """What the run is, as it was begun; None: it has not begun."""
        try:
            told: dict[str, Any] = json.loads((self.folder / RECORD).read_text())
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: of no command
            return {}
        return told

    def begin(self, record: dict[str, Any]) -> None:
        """Begin, without parts. What a killed run was writing goes."""
        for file in self.folder.iterdir():
            if file.name != LOCK:
                file.unlink()
        write_atomically(self.folder / RECORD, json.dumps(record))

    def resume(self) -> None:
        """Go on after the parts that are there. What a killed run was writing goes, and a part after a gap."""
        kept = {path for _, _, path in self._found()}
        for file in self.folder.iterdir():
            if file not in kept and file.name not in (LOCK, RECORD):
                file.unlink()

    @property
    def done(self) -> int:
        """Rows that have their answers."""
        return max((after for _, after, _ in self._found()), default=0)

    def add(self, table: pa.Table, first: int) -> None:
        """Keep the answers to the rows from `first` on."""
        path = self.folder / f"{first:012}-{first + len(table):012}.arrow"
        temporary = self.folder / f".{secrets.token_hex(4)}.tmp"
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        sync(temporary)
        temporary.rename(path)
        sync(self.folder)

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """The number of the first row, and the answers, of each part in order."""
        for first, _, path in self._found():
            with pa.memory_map(str(path)) as source:
                yield first, pa.ipc.open_file(source).read_all()

    def close(self, keep: bool = True) -> None:
        """Let another process go on. The folder goes where it has no parts, or is not kept."""
        if not keep or not self.done:
            shutil.rmtree(self.folder)
        self._lock.close()

    def _found(self) -> list[tuple[int, int, Path]]:
        """The parts from the first row on, each of which begins where the one before ends."""
        found, end = [], 0
        for path in sorted(self.folder.iterdir()):
            if (name := _NAME.fullmatch(path.name)) is not None and int(name[1]) == end:
                end = int(name[2])
                found.append((int(name[1]), end, path))
        return found
