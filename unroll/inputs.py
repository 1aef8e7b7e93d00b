"""What people have in hand, as rows: lists, NumPy arrays, data frames. Each refusal says what to type."""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from contract.rows import Rows, all_finite
from unroll.arrays import of_array, of_rows
from unroll.given import Given, invalid


def taken(given: Any, features: Sequence[str], sequence: str | None = None, time: str | None = None) -> Given:
    """The rows of `given`. `sequence` and `time` are columns of a data frame. Raises InvalidRequest."""
    if isinstance(given, Rows):
        return Given(given)
    if isinstance(given, np.ndarray) and given.dtype != object:
        found = Given(of_array(given, len(features)))
    elif isinstance(given, list | tuple | np.ndarray) and not (len(given) and _is_frame(given[0])):
        found = Given(of_rows(given, len(features)))
    else:
        from unroll.frames import of_frame, of_frames  # noqa: PLC0415 - without data frames, narwhals is not needed

        several = isinstance(given, list | tuple)
        found = of_frames(given, features, time) if several else of_frame(given, features, sequence, time)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = all_finite(found.rows.values)
    if not finite:
        _refuse_number(found.rows)
    return found


def in_parts(rows: Rows, most_items: int, most_rows: int | None = None) -> Iterator[Rows]:
    """The rows in their order, cut into parts of at most so many items and rows; a longer row is a part of its own."""
    lengths = rows.lengths
    ends = np.append(rows.starts, len(rows.values))[1:]  # of a list of equal lengths, `cumsum` takes 30 times as long
    begin = item = 0
    while begin < len(lengths):
        most = int(np.searchsorted(ends, item + most_items, side="right"))
        end = max(begin + 1, most if most_rows is None else min(most, begin + most_rows))
        after = int(ends[end - 1])
        yield Rows(rows.values[item:after], lengths[begin:end])
        begin, item = end, after


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns")


def _refuse_number(rows: Rows) -> NoReturn:
    item, feature = map(int, np.argwhere(~np.isfinite(rows.values))[0])
    row = int(np.searchsorted(rows.starts, item, side="right")) - 1
    where = f"step {item - int(rows.starts[row])} of row {row}" + (f", feature {feature}" if rows.features > 1 else "")
    hint = "Fill missing numbers before: the model was trained without gaps."
    raise invalid("numbers that are finite as float32", f"{rows.values[item, feature]} at {where}", hint, row)
