"""Reads a file of sequences, whatever its format, and checks every cell."""

from typing import Final

import pyarrow as pa

from training.sequences.formats import csv_text, parquet
from training.sequences.formats.arrays import read_npy, read_npz
from training.sequences.formats.found import Found
from training.sequences.formats.json_lines import read_json_lines
from training.sequences.formats.opened import BROKEN, Opened, opened
from training.sequences.formats.tables import read_table
from training.sequences.formats.ts import read_ts
from training.sequences.source import Source, refuse

NOT_READ: Final = {
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".xlsx": "Excel",
    ".xls": "Excel",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".mat": "MATLAB",
    ".feather": "Feather",
    ".arff": "ARFF",
}
"""Formats that people have, by suffix."""


def read(source: Source) -> Found:
    """Read a file. Raises DataRefused where it cannot be read or is of another kind. Bad cells are in `faults`."""
    try:
        with opened(source) as file:
            return _read(file, source)
    except OSError as error:  # Arrow raises it too, for a damaged page of Parquet
        refuse(source, f"cannot be read: {error.strerror or error}")
    except BROKEN as error:
        refuse(source, f"cannot be decompressed: {error}")
    except MemoryError as error:  # NumPy allocates what the header of an array claims
        refuse(source, f"needs more memory than there is: {error}")


def _read(file: Opened, source: Source) -> Found:
    match file.suffix:
        case ".npz":
            return read_npz(file, source)
        case ".npy":
            return read_npy(file, source)
        case ".parquet" | ".pq":
            try:
                return read_table(parquet.table_of(file.seekable(), source), source, lambda: file.sha256)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                return refuse(source, f"cannot be read as Parquet: {error}")
        case ".ts":
            return read_ts(file, source)
        case ".jsonl" | ".ndjson" | ".json":
            return read_json_lines(file, source)
        case suffix if suffix in NOT_READ:
            return refuse(source, f"{NOT_READ[suffix]} is not read: save it as CSV, Parquet or NPZ")
        case _:
            return read_table(csv_text.table_of(file, source), source, lambda: file.sha256)
