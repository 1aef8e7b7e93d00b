"""The answers to rows as an Arrow table with a line a row: outputs, or label and probabilities; version; in_domain."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.manifest import Manifest
from contract.rows import Floats, Ints

NUMBERS: Final = "outputs", "probabilities"
"""The column of the model's numbers: of a model without, and with classes."""


class Answers(NamedTuple):
    """Of some rows."""

    values: Floats  # (items, K) where each step has an answer, else (rows, K)
    in_domain: npt.NDArray[np.bool_]  # (rows,)
    lengths: Ints  # (rows,): the steps of each row
    names: Any = None  # (rows,): Arrow text


def table_of(parts: Sequence[Answers], manifest: Manifest, column: str | None) -> pa.Table:
    """`column` names the sequences. Numbers that are not finite are null."""
    values, in_domain, lengths = (np.concatenate([part[place] for part in parts]) for place in range(3))
    rows = len(lengths)
    per_step, width = manifest.shape.per_step, values.shape[1]
    numbers = pa.array(values.reshape(-1), mask=None if np.isfinite(values).all() else ~np.isfinite(values).reshape(-1))
    of_rows = np.concatenate([[0], np.cumsum(lengths)]) if per_step else None
    if of_rows is None or width > 1:
        numbers = _lists(np.arange(0, values.size + 1, width), numbers)
    columns: dict[str, Any] = {} if column is None else {column: pa.chunked_array([part.names for part in parts])}
    if manifest.classes:
        kinds = pa.array(manifest.classes, pa.string())
        labels = pa.DictionaryArray.from_arrays(pa.array(values.argmax(axis=1).astype(np.int32)), kinds)
        columns["label"] = labels if of_rows is None else _lists(of_rows, labels)
    columns[NUMBERS[bool(manifest.classes)]] = numbers if of_rows is None else _lists(of_rows, numbers)
    version = pa.array([manifest.version], pa.string())
    columns["version"] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), version)
    columns["in_domain"] = pa.array(in_domain)
    return pa.table(columns).combine_chunks()


def outputs_of(manifest: Manifest) -> list[str]:
    """(K,): names for the numbers of an answer, for tables without lists."""
    if manifest.classes:
        return [f"p_{name}" for name in manifest.classes]
    goals = [target.name for target in manifest.targets]
    if not goals and manifest.shape.per_step:
        goals = [feature.name for feature in manifest.features]
    if manifest.horizon:
        return [f"{goal}_{step}" for step in range(1, manifest.horizon + 1) for goal in goals]
    return goals or [f"output_{place}" for place in range(manifest.outputs)]


def flat(table: pa.Table, manifest: Manifest, first: int) -> pa.Table:
    """Without lists, for CSV: a line a row, or a line a step where each step has an answer, with its row and step from 0.

    `first`: the number of the first row.
    """
    column = NUMBERS[bool(manifest.classes)]
    numbers = table[column].combine_chunks()
    columns = {name: table[name] for name in table.column_names if name not in ("label", column, "version", "in_domain")}
    others = {"label": table["label"].combine_chunks()} if manifest.classes else {}
    after = {name: table[name].combine_chunks() for name in ("version", "in_domain")}
    if manifest.shape.per_step:
        lengths = np.diff(numbers.offsets.to_numpy())
        rows = np.repeat(np.arange(len(lengths)), lengths)
        columns = {name: cells.take(pa.array(rows)) for name, cells in columns.items()}
        columns["row"] = pa.array(rows + first)
        columns["step"] = pa.array(np.arange(len(rows)) - np.repeat(numbers.offsets.to_numpy()[:-1], lengths))
        others = {name: cells.flatten() for name, cells in others.items()}
        after = {name: cells.take(pa.array(rows)) for name, cells in after.items()}
        numbers = numbers.flatten()
    names = outputs_of(manifest)
    cells = numbers.flatten() if pa.types.is_list(numbers.type) else numbers
    width = len(names)
    columns |= {name: cells.dictionary_decode() for name, cells in others.items()}
    columns |= {name: cells[place::width] if width > 1 else cells for place, name in enumerate(names)}
    return pa.table(columns | {"version": after["version"].dictionary_decode(), "in_domain": after["in_domain"]})


def _lists(offsets: Ints, values: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
