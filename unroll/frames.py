"""Rows from data frames of pandas, polars or Arrow: a line a step, or a line a sequence. Columns are found by their names."""

from collections.abc import Sequence
from typing import Any, Final

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from contract.rows import Rows
from training.sequences.columns import SEQUENCE_NAMES, TIME_NAMES, usual_column
from unroll.given import Given, invalid

Frame = nw.DataFrame[Any]
MOST_LISTED: Final = 12
"""Columns that a message names."""


def of_frame(given: Any, features: Sequence[str], sequence: str | None = None, time: str | None = None) -> Given:
    """A long frame (a line a step), or one with a list for each feature (a line a sequence). Raises InvalidRequest."""
    frame = _opened(given)
    sequence = _column(sequence, SEQUENCE_NAMES, frame, features)
    time = _column(time, TIME_NAMES, frame, features)
    _check_columns(frame, features, sequence, time)
    names = None if sequence is None else _names(frame, sequence)
    if all(frame.schema[name] in (nw.List, nw.Array, nw.Object) for name in features):
        return Given(_of_lists(frame, features), names, by_name=True)
    values = np.stack([_numbers(frame, name) for name in features], axis=1)
    places, starts = np.zeros(len(frame), np.int64), None
    if names is not None:
        _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
        order = np.argsort(first)  # sequences in the order of their first lines
        places, starts = np.argsort(order)[inverse.reshape(-1)], first[order]
    times = np.zeros(len(frame)) if time is None else _times(frame, time)
    by_sequence = np.lexsort((times, places))  # keeps the order of lines where times are alike
    lengths = np.bincount(places).tolist()
    return Given(Rows(values[by_sequence], lengths), None if names is None else names[starts], by_name=True)


def of_frames(given: Sequence[Any], features: Sequence[str], time: str | None = None) -> Given:
    """A frame for each sequence, a line a step."""
    rows = []
    for frame in given:
        opened = _opened(frame)
        own = _column(time, TIME_NAMES, opened, features)
        _check_columns(opened, features, None, own)
        values = np.stack([_numbers(opened, name) for name in features], axis=1)
        rows.append(Rows(values if own is None else values[np.argsort(_times(opened, own), kind="stable")], [len(values)]))
    return Given(Rows.end_to_end(rows), by_name=True)


def _opened(given: Any) -> Frame:
    try:
        return nw.from_native(given, eager_only=True)
    except TypeError:
        received = type(given)
        kinds = "lists, a NumPy array, or a data frame of pandas, polars or Arrow"
        raise invalid(kinds, f"{received.__module__}.{received.__qualname__}") from None


def _column(said: str | None, usual: Sequence[str], frame: Frame, features: Sequence[str]) -> str | None:
    """The column that the user names, or the first of a usual name."""
    if said is not None:
        if said not in frame.columns:
            raise invalid(f"a column {said}", _listed(frame.columns))
        return said
    return usual_column(usual, frame.columns, features)


def _check_columns(frame: Frame, features: Sequence[str], *used: str | None) -> None:
    missing = [name for name in features if name not in frame.columns]
    unknown = [column for column in frame.columns if column not in features and column not in used]
    if missing:
        raise invalid(f"a column for each feature ({_listed(features)}); {_listed(missing)} missing", _listed(frame.columns))
    if unknown:
        kept = [column for column in frame.columns if column not in unknown]
        hint = f"Leave {_listed(unknown)} out: frame[{kept}]." if len(kept) <= MOST_LISTED else f"Leave {_listed(unknown)} out."
        hint += " A column that names the sequences is sequence=, one of times is time=."
        raise invalid(f"the columns of the features ({_listed(features)})", f"also {_listed(unknown)}", hint)


def _names(frame: Frame, column: str) -> npt.NDArray[Any]:
    series = frame.get_column(column)
    if missing := int(series.null_count()):
        raise invalid(f"the name of a sequence in each line of {column}", f"{missing} empty cells")
    names: npt.NDArray[Any] = series.to_numpy()
    return names.astype(str) if names.dtype == object else names


def _numbers(frame: Frame, column: str) -> npt.NDArray[np.float32]:
    kind = frame.schema[column]
    if not kind.is_numeric():
        raise invalid(f"numbers in column {column}", str(kind))
    with np.errstate(over="ignore"):
        numbers: npt.NDArray[Any] = frame.get_column(column).to_numpy()
        return numbers.astype(np.float32)


def _times(frame: Frame, column: str) -> npt.NDArray[Any]:
    series = frame.get_column(column)
    if not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        hint = f"Read it as dates before, such as with pandas.to_datetime(frame[{column!r}])."
        raise invalid(f"numbers or dates in column {column}", str(series.dtype), hint)
    if missing := int(series.null_count()):
        raise invalid(f"a time in each line of {column}", f"{missing} empty cells")
    times: npt.NDArray[Any] = series.to_numpy()
    return times


def _of_lists(frame: Frame, features: Sequence[str]) -> Rows:
    """A line a sequence: each feature's column holds its numbers as a list."""
    columns = [[np.asarray(cell) for cell in frame.get_column(name).to_list()] for name in features]
    rows = []
    for place, cells in enumerate(zip(*columns, strict=True)):
        shapes = {cell.shape for cell in cells}
        if len(shapes) > 1 or cells[0].ndim != 1 or any(cell.dtype.kind not in "iuf" for cell in cells):
            received = ", ".join(f"{cell.dtype} {cell.shape}" for cell in cells[:MOST_LISTED])
            raise invalid("as many numbers for each feature in a line", f"{received} as row {place}", row=place)
        with np.errstate(over="ignore"):
            rows.append(np.stack(cells, axis=1).astype(np.float32))
    return Rows(np.concatenate(rows) if rows else np.empty((0, len(features)), np.float32), [*map(len, rows)])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_LISTED]) + (f", ... ({len(names)} in all)" if len(names) > MOST_LISTED else "")
