"""Which columns of a table hold features, targets, labels, times and sequence ids: as the user says, else by their names."""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, NamedTuple, NoReturn

from training.sequences.source import Source, refuse

SEQUENCE_NAMES = ("sequence", "sequence_id", "id", "series", "series_id")
TIME_NAMES = ("time", "timestamp", "datetime", "date", "ds")
CALENDAR_NAMES = ("month", "week", "day", "quarter", "year", "period")
"""Names of times where the cells look like dates, or rise: the months 1 to 12 are no times. None is a feature unasked."""
VALUE_NAMES = ("value", "values", "input")
TARGET_NAMES = ("target", "targets")
LABEL_NAMES = ("label", "labels", "class")
_NUMBER = r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))"
NUMBER = re.compile(_NUMBER)
WATCHED = 16
"""So many columns that are not read are watched for values that repeat: they may name the series."""
SUGGESTED = 200
"""Characters of the features that a message suggests."""
Kind = Literal["number", "rising", "text", "other"]
"""What the first cells of a column look like: numbers, numbers each above the one before, words, or such as dates."""


class Layout(NamedTuple):
    """`inputs` are the columns of the features: one each in a long table; step after step in a wide one; a series each in a
    pivot."""

    form: Literal["wide", "long", "pivot"]
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # one; in a wide table one for each step, or one for the row
    sequence: str | None = None  # None: a long table is one series
    time: str | None = None
    per_step: bool = True  # of a wide table: whether its targets or labels are those of steps
    unread: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()  # unread columns of text in a long table without sequences

    @property
    def numbers(self) -> tuple[str, ...]:
        return (*self.inputs, *self.targets)

    @property
    def needed(self) -> list[str]:
        ids = [column for column in (self.sequence, self.time) if column is not None]
        return list(dict.fromkeys([*self.numbers, *self.labels, *ids, *self.watched]))


def layout_of(columns: list[str], source: Source, kinds: Mapping[str, Kind] = MappingProxyType({})) -> Layout:
    """The layout of a table. Raises DataRefused with expected and received columns where it is unclear.

    `kinds` says what the first cells of the columns look like.
    """
    if twice := sorted(column for column, times in Counter(columns).items() if times > 1):
        refuse(source, f"expected columns of different names; received {listed(twice)} more than once")
    words = source.features or ("input",)
    wide = {word: _numbered(columns, word, source) for word in words} if not set(source.features) & set(columns) else {}
    is_wide = bool(wide) and all(wide.values()) and not (source.sequence_column or source.time_column or source.pivot)
    _check_said(columns, source, is_wide)
    layout = _wide(columns, wide, source) if is_wide else _pivot(columns, kinds, source) if source.pivot else None
    layout = layout or _long(columns, kinds, source)
    taken = set(layout.needed)
    unread = tuple(column for column in columns if column not in taken)
    if layout.form == "long" and layout.sequence is None:
        layout = layout._replace(watched=tuple(column for column in unread if kinds.get(column) == "text")[:WATCHED])
    return layout._replace(unread=unread)


def _check_said(columns: list[str], source: Source, wide: bool) -> None:
    there = set(columns)
    said = {
        "--sequence-column": (source.sequence_column,),
        "--time-column": (source.time_column,),
        "--target": source.target,
        "--label": (source.label,),
    } | ({} if wide else {"--features": source.features})
    roles: dict[str, str] = {}
    forecast = source.task == "forecast"
    for option, names in said.items():
        for name in names:
            if name is None:
                continue
            if name not in there:
                _missing(name, option, columns, source)
            if (before := roles.setdefault(name, option)) != option and not (forecast and "--target" in (before, option)):
                refuse(source, f"column {name} is named by {before} and by {option}: leave it out of one of them")
    for option, names in said.items():
        if twice := [name for name, times in Counter(names).items() if times > 1 and name is not None]:
            refuse(source, f"column {twice[0]} is named twice by {option}: name it once")


def _missing(name: str, option: str, columns: list[str], source: Source) -> NoReturn:
    slip = ""
    if near := get_close_matches(name.lower(), [column.lower() for column in columns[:1_000]], 1, 0.6):
        meant = next(column for column in columns if column.lower() == near[0])
        slip = f". Did you mean {option} {meant}?"
    elif columns[0] in ("input_0", "value") and (len(columns) == 1 or columns[-1] == f"input_{len(columns) - 1}"):
        slip = ". If the first line holds numbers, the file has no header: write the columns' names into its first line"
    elif option == "--sequence-column":
        slip = ". If the table is one series, leave --sequence-column out"
    refuse(source, f"expected a column {name}; received {listed(columns)}{slip}")


def _wide(columns: list[str], numbered: dict[str, dict[int, str]], source: Source) -> Layout:
    """A row per sequence."""
    first, *others = numbered.values()
    for other in others:
        if other.keys() != first.keys():
            pair = f"{listed([*first.values()])} and {listed([*other.values()])}"
            refuse(source, f"expected columns of the same numbers for each feature; received {pair}")
    _check_gaps(first, source)
    inputs = tuple(of[number] for number in first for of in numbered.values())
    layout = Layout("wide", source.features or ("value",), inputs)
    if source.task in ("echo", "forecast"):
        return layout
    labels, targets = (_numbered(columns, word, source) for word in ("label", "target"))
    said_label = (source.label,) if source.label else _one(LABEL_NAMES, columns)
    said_target = source.target or _one(TARGET_NAMES, columns)
    if source.task != "regress" and (source.label or labels or (said_label and not targets and not source.target)):
        if source.label or not labels:
            return layout._replace(labels=said_label, per_step=False)
        _check_pairs(first, labels, "label", source)
        return layout._replace(labels=tuple(labels.values()), per_step=True)
    if source.target or not targets:
        return layout._replace(targets=said_target, per_step=not said_target)
    if source.per_step is False:
        return layout._replace(targets=tuple(targets.values()), per_step=False)
    _check_pairs(first, targets, "target", source)
    return layout._replace(targets=tuple(targets.values()))


def _pivot(columns: list[str], kinds: Mapping[str, Kind], source: Source) -> Layout:
    """A column per series."""
    if source.label or source.target or source.task in ("regress", "classify", "label") or source.sequence_column:
        refuse(
            source, "a pivot has a column for each series, so it has no labels, targets or --sequence-column: leave out --pivot"
        )
    time = source.time_column or _time(columns, kinds, {*source.features})
    series = source.features or tuple(column for column in columns if column != time and kinds.get(column) != "text")
    if not series:
        refuse(source, f"expected columns of numbers, one for each series; received {listed(columns)}")
    return Layout("pivot", ("value",), series, time=time)


def _long(columns: list[str], kinds: Mapping[str, Kind], source: Source) -> Layout:
    """A row per step."""
    said = {*source.features, *source.target, source.label}
    sequence = source.sequence_column or usual_column(SEQUENCE_NAMES, columns, said)
    time = source.time_column or _time(columns, kinds, said | {sequence})
    label, target = source.label, source.target
    if source.task in (None, "classify", "label") and not target:
        label = label or usual_column(LABEL_NAMES, columns, said | {sequence, time})
    if source.task in (None, "regress") and label is None:
        target = target or _one(TARGET_NAMES, columns, said | {sequence, time})
    features = source.features or _one(VALUE_NAMES, columns, {sequence, time, label, *target})
    if not features and source.task == "forecast":
        features = target
    if not features and time is not None and columns == [time] != [source.time_column]:  # its only column is named `date`
        features, time = (time,), None
    used: dict[str | None, str] = {**dict.fromkeys(target, "target"), label: "class", time: "time", sequence: "sequence"}
    features = features or _features(columns, used, kinds, source)
    if source.task == "forecast":
        features, target = (*features, *(name for name in target if name not in features)), ()
    for column in source.features:
        if kinds.get(column) == "text":
            refuse(source, f"column {column} holds text: leave it out of --features, or make it the class: --label {column}")
    return Layout("long", features, features, target, (label,) if label else (), sequence, time)


def _features(
    columns: list[str], taken: Mapping[str | None, str], kinds: Mapping[str, Kind], source: Source
) -> tuple[str, ...]:
    """The only column that is left, or those of numbers: one, or all where another column has the answers.

    Raises DataRefused where the user has to choose."""
    left = [column for column in columns if column not in taken]
    numeric = [column for column in left if kinds.get(column, "number") in ("number", "rising")]
    numeric = [column for column in numeric if column.strip().lower() not in (*TIME_NAMES, *CALENDAR_NAMES)] or numeric
    for choice in (left, numeric):
        if len(choice) == 1:
            return tuple(choice)
    if numeric and any(taken[column] in ("target", "class") for column in taken if column is not None):
        return tuple(numeric)
    return _ask_for_features(columns, numeric, taken, source)


def _ask_for_features(columns: list[str], numeric: list[str], taken: Mapping[str | None, str], source: Source) -> NoReturn:
    names = shlex.quote(",".join(numeric[:8] if len(",".join(numeric[:8])) <= SUGGESTED else [numeric[0][:100]]))
    received = f"received {listed([column[:30] for column in columns])}"
    if not numeric and (used := [f"{column[:30]} is the {taken[column]}" for column in columns if column in taken]):
        ahead = f"; to forecast {source.target[0]}: --task forecast --length 36 --horizon 12" if source.target else ""
        refuse(source, f"no column of numbers is left as a feature: {listed(used)}; {received}: add one{ahead}")
    if not numeric:
        refuse(source, f"expected a column of numbers; {received}")
    several = len(numeric) > 1
    refuse(
        source,
        "expected columns input_0, input_1, ... with a sequence per row, or a column value with a step per row; "
        f"{received}. If the columns are features of one step: --features {names}"
        + ("; to forecast one of them alone, add --target; if each column is a series of its own: --pivot" if several else ""),
    )


def _time(columns: list[str], kinds: Mapping[str, Kind], without: AbstractSet[str | None]) -> str | None:
    dated = [column for column in columns if kinds.get(column) in ("other", "rising")]
    return usual_column(TIME_NAMES, columns, without) or usual_column(CALENDAR_NAMES, dated, without)


def _numbered(columns: list[str], word: str, source: Source) -> dict[int, str]:
    """input_0, input_1, ... or input0, input1, ... in the order of their numbers."""
    found: dict[int, str] = {}
    pattern = re.compile(rf"{re.escape(word)}_?([0-9]{{1,9}})")
    for column in columns:
        match = pattern.fullmatch(column)
        if match and (there := found.setdefault(int(match[1]), column)) != column:
            refuse(source, f"expected one column of each number; received {there} and {column}")
    return dict(sorted(found.items()))


def _check_pairs(inputs: dict[int, str], answers: dict[int, str], word: str, source: Source) -> None:
    if len(answers) != len(inputs):
        refuse(
            source,
            f"expected as many {word} columns as input columns; received {len(inputs)} and {len(answers)}. "
            f"If they answer the whole row: --topology many_to_one",
        )
    if answers.keys() != inputs.keys():
        pair = f"{listed([*inputs.values()])} and {listed([*answers.values()])}"
        refuse(source, f"expected input and {word} columns of the same numbers; received {pair}")


def _check_gaps(inputs: dict[int, str], source: Source) -> None:
    """A missing column would shift all later steps by one, unnoticed. Raises DataRefused."""
    first, last = min(inputs), max(inputs)
    if gap := next((number for number in range(first, last) if number not in inputs), None):
        ends = f"{inputs[first]} to {inputs[last]}"
        refuse(source, f"expected columns numbered one after another; received {ends} without {gap}")


def usual_column(names: Sequence[str], columns: Sequence[str], without: Collection[str | None] = frozenset()) -> str | None:
    """The column of the first of these names that a table has, but for those in `without`."""
    there = (column for name in names for column in columns if column.strip().lower() == name)
    return next((column for column in there if column not in without), None)


def _one(names: tuple[str, ...], columns: list[str], without: AbstractSet[str | None] = frozenset()) -> tuple[str, ...]:
    found = usual_column(names, columns, without)
    return () if found is None else (found,)


def listed(columns: Sequence[str]) -> str:
    """The first columns, and the number of all."""
    return ", ".join(column[:100] for column in columns[:8]) + (f", ... ({len(columns)} in all)" if len(columns) > 8 else "")
