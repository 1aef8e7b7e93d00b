"""Rows from lists and NumPy arrays."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Rows
from unroll.given import invalid

NUMBERS: Final = "iuf"
"""The kinds of NumPy's types that are numbers."""


def of_array(array: npt.NDArray[Any], width: int) -> Rows:
    """(rows, time, F), or (rows, time) for one feature."""
    _check_numbers(array, None)
    if array.ndim == 2 and width == 1:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] != width:
        _refuse_shape(array, width)
    rows, time, _ = array.shape
    return Rows(_float32(array).reshape(-1, width), [time] * rows)


def _refuse_shape(array: npt.NDArray[Any], width: int) -> NoReturn:
    expected = "an array (rows, time)" if width == 1 else f"an array (rows, time, {width})"
    one = array.ndim == (1 if width == 1 else 2) and (width == 1 or array.shape[-1] == width)
    raise invalid(expected, f"an array {array.shape}", "One row is array[None]." if one else "")


def of_rows(given: Sequence[Any] | npt.NDArray[Any], width: int) -> Rows:
    """A list, a tuple or an array, for each row."""
    if all(isinstance(row, np.ndarray) and row.dtype != object for row in given):
        return _of_arrays([*given], width)
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in given]
    for place, row in enumerate(rows):
        if not isinstance(row, list | tuple):
            hint = "Put each row in a list of its own: [[0.1, 0.2]]." if _is_number(row) else ""
            raise invalid("a list of rows", f"{_shown(row)} as row {place}", hint, place)
    items = [*chain.from_iterable(rows)]
    if deep := any(issubclass(kind, list | tuple | np.ndarray) for kind in {*map(type, items)}):
        for place, row in enumerate(rows):
            _check_steps(row, place, width)
        items = [*chain.from_iterable(items)]
    elif width > 1 and items:
        raise invalid(f"rows of steps of {width} numbers", f"the number {_shown(items[0])} as a step", _steps(width))
    if not all(map(_are_numbers, {*map(type, items)})):
        _refuse_item(rows, deep)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused
        try:
            values = np.fromiter(items, np.float32, len(items))
        except OverflowError:
            values = np.fromiter(map(_as_float, items), np.float32, len(items))
    return Rows(values.reshape(-1, width), [*map(len, rows)])


def _of_arrays(arrays: list[npt.NDArray[Any]], width: int) -> Rows:
    """(steps, F) for each row, or (steps,) for one feature."""
    if not arrays:
        return Rows(np.empty((0, width), np.float32), [])
    steps = []
    for place, array in enumerate(arrays):
        _check_numbers(array, place)
        if not (array.ndim == 2 and array.shape[1] == width) and not (array.ndim == 1 and width == 1):
            expected = "arrays (steps,)" if width == 1 else f"arrays (steps, {width})"
            raise invalid(expected, f"an array {array.shape} as row {place}", row=place)
        steps.append(_float32(array).reshape(-1, width))
    return Rows(np.concatenate(steps), [*map(len, steps)])


def _float32(array: npt.NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def _check_numbers(array: npt.NDArray[Any], row: int | None) -> None:
    if array.dtype.kind not in NUMBERS:
        where = "" if row is None else f" as row {row}"
        raise invalid("an array of numbers", f"one of {array.dtype}{where}", row=row)


def _check_steps(row: Sequence[Any], place: int, width: int) -> None:
    for number, step in enumerate(row):
        if not isinstance(step, list | tuple | np.ndarray) or len(step) != width:
            received = f"{len(step)} numbers" if isinstance(step, list | tuple | np.ndarray) else _shown(step)
            raise invalid(f"steps of {width} numbers", f"{received} as step {number} of row {place}", _steps(width), place)


def _steps(width: int) -> str:
    return "" if width == 1 else "A row is a list of steps, and a step is a list of numbers, in the order of the features."


def _refuse_item(rows: Sequence[Any], deep: bool) -> NoReturn:
    for place, row in enumerate(rows):
        for number, step in enumerate(row):
            for item in step if deep else [step]:
                if not _is_number(item):
                    raise invalid("numbers", f"{_shown(item)} at step {number} of row {place}", row=place)
    raise AssertionError("each item is a number")


def _are_numbers(kind: type) -> bool:
    return issubclass(kind, int | float | np.integer | np.floating) and not issubclass(kind, bool)


def _is_number(value: Any) -> bool:
    return _are_numbers(type(value))


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
