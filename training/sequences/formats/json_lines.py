"""Reads JSON lines: a sequence per line, {"inputs": [...], "target": ...}, or a step per line, {"time": ..., "value": ...}."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

import numpy as np

from training.sequences.cells import HIGHEST, Faults
from training.sequences.formats.arrays import Arrays, found_in
from training.sequences.formats.found import Found
from training.sequences.formats.opened import Opened, lines_of
from training.sequences.formats.tables import Table, kind_of, read_table, text_blocks
from training.sequences.source import DataRefused, Source, refuse

SAMPLED: Final = 200
"""Records that tell the columns and what they hold."""
NESTED: Final = {"inputs": "inputs", "input": "inputs", "target": "targets", "targets": "targets", "label": "labels"} | {
    "labels": "labels",
    "class": "labels",
}
Record = dict[str, Any]


def read_json_lines(opened: Opened, source: Source) -> Found:
    """Read JSON lines. Raises DataRefused where a line is none."""
    faults = Faults(source.file, 0)
    records = _records(lines_of(opened.stream(), source), faults)
    first = list(islice(records, SAMPLED))
    if faults.total:
        raise DataRefused(*faults.found)
    if not first:
        refuse(source, "is empty")
    everything = chain(first, records)
    if any(isinstance(record.get(key), list) for key in ("inputs", "input") for record in first[:1]):
        return _nested(everything, source, faults, opened)
    columns = list(dict.fromkeys(key for record in first for key in record))
    cells = {column: [_text(record.get(column)) or "" for record in first] for column in columns}
    kinds = {column: kind_of(texts) for column, texts in cells.items()}
    rows = (_flat(record, columns, place, faults) for place, record in enumerate(everything, 1))
    return read_table(
        Table(columns, kinds, lambda _needed: text_blocks(rows, columns), faults, []), source, lambda: opened.sha256
    )


def _records(lines: Iterable[str], faults: Faults) -> Iterator[Record]:
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            slip = ": write a record per line, not one list" if row == 1 and line.lstrip().startswith("[") else ""
            faults.add(row, None, f"is no JSON: {error}{slip}")
            return
        except RecursionError:
            faults.add(row, None, "its lists are too deep: expected numbers, or a list of steps, each a list of numbers")
            return
        if not isinstance(record, dict):
            faults.add(row, None, 'expected a record, such as {"inputs": [1, 2, 3], "label": "a"}: write one per line')
            return
        yield record


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def _flat(record: Record, columns: list[str], row: int, faults: Faults) -> dict[str, str | None]:
    if unknown := [key for key in record if key not in columns]:
        faults.add(row, unknown[0], f"the first {SAMPLED} records have no {unknown[0]}: give every record the same keys")
    return {column: _text(record.get(column)) for column in columns}


def _nested(records: Iterable[Record], source: Source, faults: Faults, opened: Opened) -> Found:
    parts: dict[str, list[Any]] = {"inputs": [], "targets": [], "labels": []}
    lengths, keys, names = [], None, set[str]()
    for row, record in enumerate(records, 1):
        found = {NESTED[key]: value for key, value in record.items() if key in NESTED}
        keys = keys or found.keys()
        names |= record.keys() - NESTED.keys()
        steps = found.get("inputs")
        if found.keys() != keys or not isinstance(steps, list) or not steps:
            faults.add(
                row, None, f"expected {', '.join(sorted(keys))}, with at least one step; received {', '.join(sorted(record))}"
            )
            continue
        for name, value in found.items():
            parts[name].append(value)
        lengths.append(len(steps))
    if faults.total:
        raise DataRefused(*faults.found)
    answers = {name: _answers(values, lengths, name, source) for name, values in parts.items() if values and name != "inputs"}
    inputs = _array(list(chain.from_iterable(parts["inputs"])), "inputs", source)
    arrays = Arrays(inputs, np.array(lengths), **answers)
    result = found_in(arrays, source, faults, opened)
    result.unread = tuple(sorted(names))
    return result


def _answers(values: list[Any], lengths: list[int], name: str, source: Source) -> Any:
    """Answers of steps where each row has a list as long as its steps; else of rows."""
    of_steps = all(isinstance(value, list) and len(value) == length for value, length in zip(values, lengths, strict=True))
    if of_steps and source.per_step is not False:
        values = list(chain.from_iterable(values))
    return _array(values, name, source)


def _array(values: list[Any], name: str, source: Source) -> Any:
    if name == "labels":
        try:
            return np.array([_text(value) or "" for value in values])
        except TypeError:
            refuse(source, "expected labels of text or integers")
    try:
        array = np.array(
            [[np.nan if each is None else each for each in value] if isinstance(value, list) else value for value in values]
        )
        return array.astype(np.float64) if array.dtype.kind in "iufO" else array
    except OverflowError:
        refuse(source, f"expected {name} of numbers up to {HIGHEST:.4g}, the largest float32; received a larger one")
    except (ValueError, TypeError):
        refuse(source, f"expected {name} with as many numbers in each step; received steps that differ, or no numbers")
