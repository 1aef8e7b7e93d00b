"""Reads Parquet by row groups."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet

from training.sequences.cells import Faults
from training.sequences.columns import CALENDAR_NAMES, Kind
from training.sequences.formats.tables import SAMPLED_ROWS, Table, kind_of
from training.sequences.source import Source


def table_of(content: BinaryIO, source: Source) -> Table:
    """The table in a Parquet file, not read yet. Raises Arrow's errors for a file of another kind."""
    file = pyarrow.parquet.ParquetFile(content, pre_buffer=False)  # which would keep all that was read
    schema = file.schema_arrow
    columns = list(schema.names)

    def blocks(needed: list[str]) -> Iterator[Any]:
        for batch in file.iter_batches(batch_size=1 << 16, columns=needed):
            decoded = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
            yield pa.record_batch(decoded, batch.schema.names)

    kinds = {name: schema.field(name).type for name in columns}
    types = {name: str(kind) for name, kind in kinds.items() if not is_number(kind)}
    looks = {name: _kind(kind) for name, kind in kinds.items()}
    for name in [name for name in columns if name.strip().lower() in CALENDAR_NAMES and looks[name] == "number"]:
        for batch in file.iter_batches(batch_size=SAMPLED_ROWS, columns=[name]):
            looks[name] = kind_of([str(cell) for cell in batch.column(0).to_pylist()])
            break
    return Table(columns, looks, blocks, Faults(source.file, None), [], types)


def is_number(kind: Any) -> bool:
    """Whether an Arrow type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _kind(kind: Any) -> Kind:
    if is_number(kind):
        return "number"
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else "other"
