"""Which columns of a table hold inputs, targets and sequence ids: by the user's options, else by the columns' names."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from training.sequences.source import DataRefused, Fault, Source

SEQUENCE_NAMES = ("sequence", "sequence_id", "id", "series", "series_id")
VALUE_NAMES = ("value", "values", "input")
TARGET_NAMES = ("target", "targets")
_NUMBER = r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))"
NUMBER = re.compile(_NUMBER)


class Layout(NamedTuple):
    inputs: tuple[str, ...]  # one column of a long table; one per item of a wide table
    targets: tuple[str, ...]  # empty: an echo
    sequence: str | None  # of a long table; None: the table is one series
    long: bool
    unread: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.inputs, *self.targets)


def layout_of(columns: list[str], source: Source) -> Layout:
    """The layout of a table. Raises DataRefused with expected and received columns where it is unclear."""
    if twice := sorted(column for column, times in Counter(columns).items() if times > 1):
        _refuse(source, f"expected columns of different names; received {listed(twice)} more than once")
    said = (source.sequence_column, source.value_column, source.target_column)
    for column in said:
        if column is not None and column not in columns:
            _refuse(source, f"expected a column {column}; received {listed(columns)}")
    inputs, targets = (_numbered(columns, word, source) for word in ("input", "target"))
    if inputs and not any(said):
        _check_numbers(inputs, targets, source)
        layout = Layout(tuple(inputs.values()), tuple(targets.values()), None, long=False)
    else:
        layout = _long(columns, source)
    taken = {*layout.columns, layout.sequence}
    return layout._replace(unread=tuple(column for column in columns if column not in taken))


def _long(columns: list[str], source: Source) -> Layout:
    sequence = source.sequence_column or _first(SEQUENCE_NAMES, columns)
    target = source.target_column or _first(TARGET_NAMES, columns)
    value = source.value_column or _first(VALUE_NAMES, columns)
    left = [column for column in columns if column not in (sequence, target)]
    if value is None and len(left) == 1:
        (value,) = left
    if value is None:
        _refuse(
            source,
            "expected columns input_0, input_1, ... (and target_0, ...) with a sequence per row, or a value column (and a "
            f"sequence column, and a target column) with an item per row; received {listed(columns)}. "
            "Say which they are: --value-column NAME --sequence-column NAME --target-column NAME",
        )
    if len({value, sequence, target} - {None}) < 3 - (sequence, target).count(None):
        _refuse(source, "expected different columns for sequence, value and target; received one for two of them")
    return Layout((value,), () if target is None else (target,), sequence, long=True)


def _numbered(columns: list[str], word: str, source: Source) -> dict[int, str]:
    """input_0, input_1, ... or input0, input1, ... in the order of their numbers."""
    found: dict[int, str] = {}
    for column in columns:
        match = re.fullmatch(rf"{word}_?([0-9]{{1,9}})", column)
        if match and (there := found.setdefault(int(match[1]), column)) != column:
            _refuse(source, f"expected one column of each number; received {there} and {column}")
    return dict(sorted(found.items()))


def _check_numbers(inputs: dict[int, str], targets: dict[int, str], source: Source) -> None:
    """A missing column would shift all later items by one, unnoticed. Raises DataRefused."""
    if targets and len(targets) != len(inputs):
        _refuse(source, f"expected as many target columns as input columns; received {len(inputs)} and {len(targets)}")
    if targets and targets.keys() != inputs.keys():
        pair = f"{listed([*inputs.values()])} and {listed([*targets.values()])}"
        _refuse(source, f"expected input and target columns of the same numbers; received {pair}")
    first, last = min(inputs), max(inputs)
    if gap := next((number for number in range(first, last) if number not in inputs), None):
        ends = f"{inputs[first]} to {inputs[last]}"
        _refuse(source, f"expected columns numbered one after another; received {ends} without {gap}")


def _first(names: tuple[str, ...], columns: list[str]) -> str | None:
    return next((column for name in names for column in columns if column.strip().lower() == name), None)


def listed(columns: Sequence[str]) -> str:
    """The first columns, and the number of all."""
    return ", ".join(column[:100] for column in columns[:8]) + (f", ... ({len(columns)} in all)" if len(columns) > 8 else "")


def _refuse(source: Source, reason: str) -> NoReturn:
    raise DataRefused([Fault(source.file, None, None, None, reason)])
