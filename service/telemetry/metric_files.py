"""The files in which workers share their metrics: their size, and their blocks on the disk."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]
from prometheus_client import mmap_dict

from service.settings import metrics_folder

FILE_BYTES: Final = 2**20
"""Size of each file at the start; prometheus_client's own is 64 kB. A series stays for the life of the worker. A histogram for
every version would add 60 kB with each version, so histograms have the label of the model only."""
MOST_FILES: Final = 8
"""Files of one worker: one for each kind of metric, BentoML's own included."""
mmap_dict._INITIAL_MMAP_SIZE = FILE_BYTES  # noqa: SLF001 - no setting exists; applies to metrics that are made later
_OURS: Final = f"*_{os.getpid()}.db"


def check_room(folder: Path) -> None:
    """Exits with one line where the disk of this folder has no room for the files of a worker: a write would kill it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, MOST_FILES * FILE_BYTES)
    except OSError as error:
        raise SystemExit(f"No room for the metrics of a worker in {folder}: {error.strerror}.") from None


if (_folder := metrics_folder()) is not None:
    check_room(_folder)


def reserve() -> None:
    """Reserve blocks on the disk for this worker's files. Call again once they may have grown. OSError: the disk is full.

    prometheus_client maps the files with holes. After the disk has filled, the first write to a hole kills the worker (SIGBUS).
    """
    for folder in _folders():
        for path in folder.glob(_OURS):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


@cache
def _folders() -> frozenset[Path]:
    """The folders of this worker's files. Cached: finding them looks at every open file."""
    return frozenset(path.parent for file in psutil.Process().open_files() if (path := Path(file.path)).match(_OURS))
