"""Writes the answers into the file that the user asked for: Parquet or CSV as they come, NPZ from all parts at the end.

The file appears by one rename, when it is whole.
"""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from contract.atomic_files import sync
from contract.manifest import Manifest
from unroll.bulk.answers import NUMBERS, flat
from unroll.bulk.parts import Parts

SUFFIXES: Final = (".parquet", ".pq", ".csv", ".npz")


class Output:
    """A file in the making. `write` all answers in order, then `finish`."""

    def __init__(self, path: Path, manifest: Manifest, parts: Parts) -> None:
        self._path, self._parts, self._manifest = path, parts, manifest
        self._temporary = parts.folder / path.name
        self._writer: Any = None

    def write(self, table: pa.Table, first: int) -> None:
        if self._path.suffix.lower() == ".npz":
            return
        if self._path.suffix.lower() == ".csv":
            table = flat(table, self._manifest, first)
        if self._writer is None:
            self._writer = self._open(table.schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        if self._path.suffix.lower() == ".npz":
            _write_npz(self._temporary, self._parts, self._manifest)
        elif self._writer is not None:
            self._writer.close()
        sync(self._temporary)
        self._temporary.replace(self._path)
        sync(self._path.parent)

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)

    def _open(self, schema: pa.Schema) -> Any:
        if self._path.suffix.lower() == ".csv":
            return pyarrow.csv.CSVWriter(self._temporary, schema)
        few = [field.name for field in schema if field.name not in NUMBERS]  # numbers hardly repeat
        return pq.ParquetWriter(self._temporary, schema, use_dictionary=few, compression="lz4", write_statistics=few)


def _write_npz(path: Path, parts: Parts, manifest: Manifest) -> None:
    """Arrays end to end, with `lengths` where each step has an answer; a part at a time."""
    column, per_step = NUMBERS[bool(manifest.classes)], manifest.shape.per_step
    names = next(parts.tables())[1].column_names
    arrays: dict[str, Callable[[pa.Table], Any]] = {column: lambda table: _values(table, column, manifest)}
    if per_step:
        arrays["lengths"] = lambda table: np.diff(table[column].combine_chunks().offsets.to_numpy()).astype(np.int64)
    if manifest.classes:
        arrays["label"] = lambda table: _labels(table, manifest)
    arrays["in_domain"] = lambda table: table["in_domain"].to_numpy()
    arrays["version"] = lambda table: np.full(len(table), manifest.version)
    for name in names:
        if name not in (column, "label", "in_domain", "version"):
            arrays[name] = lambda table, name=name: table[name].to_numpy().astype(str)  # type: ignore[misc]
    with zipfile.ZipFile(path, "w") as archive:
        for name, taken in arrays.items():
            _write_array(archive, name, lambda taken=taken: (taken(table) for _, table in parts.tables()))  # type: ignore[misc]
        if manifest.classes:
            _write_array(archive, "classes", lambda: iter([np.array(manifest.classes)]))


def _write_array(archive: zipfile.ZipFile, name: str, blocks: Callable[[], Iterator[Any]]) -> None:
    """Blocks below one another, as one array. They are made twice: first for the shape and the widest text."""
    shapes = [(block.shape, block.dtype) for block in blocks()]
    rows, kind = sum(shape[0] for shape, _ in shapes), max((dtype for _, dtype in shapes), key=lambda each: each.itemsize)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (rows, *shapes[0][0][1:])}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for block in blocks():
            file.write(np.ascontiguousarray(block, kind).tobytes())


def _values(table: pa.Table, column: str, manifest: Manifest) -> Any:
    """(rows, K), (items, K), or (items,) where K is 1; NaN in place of null."""
    cells = table[column].combine_chunks()
    while pa.types.is_list(cells.type):
        cells = cells.flatten()
    values = cells.to_numpy(zero_copy_only=False).astype(np.float32)
    return values if manifest.outputs == 1 and manifest.shape.per_step else values.reshape(-1, manifest.outputs)


def _labels(table: pa.Table, manifest: Manifest) -> Any:
    cells = table["label"].combine_chunks()
    cells = cells.flatten() if pa.types.is_list(cells.type) else cells
    return np.array(manifest.classes)[cells.indices.to_numpy()]
