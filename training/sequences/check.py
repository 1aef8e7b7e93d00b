"""Checks whether data is fit to train on. Gives the report of `data check`, and the Dataset if there is no fault.

A fault refuses the data. A warning is printed, and training continues.

fault      a cell that is empty, not a number, not finite, beyond float32; a ragged line; inputs and answers that do not fit
           together; a sequence shorter than a row; equal inputs, or equal targets; values too close together for float32;
           a class of one row, or without a row to train on; too few rows on one side of the split
warning    a feature that never changes, or that equals a target; a repeated sequence (its copies stay on one side);
           held-out rows that also occur in training (they are left out); columns that are not read
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from contract.manifest import DataFacts, Quantity
from contract.rows import Floats, Ints
from training.sequences.cells import HIGHEST
from training.sequences.columns import listed
from training.sequences.dataset import Dataset, domain_of
from training.sequences.formats.found import Found
from training.sequences.formats.missing import fill
from training.sequences.formats.times import uneven
from training.sequences.reader import read
from training.sequences.report import Report, Spread, spreads
from training.sequences.sides import Sides, sides_of
from training.sequences.source import SHOWN, DataRefused, Source, many
from training.sequences.tasks import Settled, check_wishes, joined, settle

LONGEST: Final = 1000
"""The largest number of steps in a row of an echo."""
LONGEST_OF_TASKS: Final = 10_000
FEWEST_TRAIN: Final = 32
FEWEST_OF_TASKS: Final = 16
"""Rows to train on, apart from an echo: archives have data sets of so few."""
FEWEST_HELD_OUT: Final = 8
LARGEST: Final = HIGHEST / 2
"""The largest absolute value, so that the range of the values is a float32."""
FINEST: Final = 2**12
"""The range of values must have so many steps of float32: with fewer, a bar of a percent means little."""


def check(source: Source) -> tuple[Report, Dataset | None]:
    """The report, and the Dataset if there is no fault. Raises DataRefused as `read`."""
    check_wishes(source)
    found, official = _read(source)
    settled = settle(found, official, source)
    report = _counted(source, found, settled, official)
    length = _row_length(source, found, settled, official)
    if not len(found.values):
        found.faults.add(None, None, "has no rows")
    elif isinstance(length, str):
        found.faults.add(None, None, length)
    elif not found.ragged and length is not None:
        _short_sequences(found, settled, length, source)
    if found.faults.total == 0:
        report.features = spreads(found.features, found.values)
        if settled.targets is not None:
            report.targets = spreads(list(settled.goals), settled.targets)
        _whole(found, settled, report)
    dataset = None
    if found.faults.total == 0 and not isinstance(length, str):
        dataset = _split(source, found, settled, official, length)
        report.facts = None if dataset is None else dataset.facts
    report.warnings += found.warnings
    refused = DataRefused(*found.faults.found)
    report.faults, report.faults_in_all = refused.faults, refused.total
    return report, None if refused.total else dataset


def _read(source: Source) -> tuple[Found, int]:
    """What both files hold, without missing numbers; and the sequences of the test file, which are the last."""
    found, official = read(source), 0
    if source.test is not None:
        test = read(replace(source, path=source.test, test=None))
        official = len(test.lengths)
        for fault_of in (found, test):
            if fault_of.faults.total:
                raise DataRefused(*fault_of.faults.found)
        found = joined(found, test, source)
    fill(found, source)
    if found.times is not None and (said := uneven(found.times, found.lengths, found.dated)):
        found.warnings.append(said)
    return found, official


def _counted(source: Source, found: Found, settled: Settled, official: int) -> Report:
    lengths = found.lengths
    of_lengths = {"shortest": lengths.min(), "median": np.median(lengths), "longest": lengths.max()} if len(lengths) else {}
    codes = np.empty(0, np.int64) if settled.codes is None else settled.codes
    tested = int(lengths[len(lengths) - official :].sum()) if settled.of_items else official
    own, test = (_by_class(part, settled.classes) for part in np.split(codes, [max(0, len(codes) - tested)]))
    return Report(
        file=source.file,
        layout=found.layout,
        task=settled.task,
        sequences=len(lengths),
        items=int(lengths.sum()),
        lengths={name: int(value) for name, value in of_lengths.items()},
        classes=own,
        test_classes=test if official else {},
        windows=source.length is not None,
        per_step=settled.per_step,
        horizon=(source.horizon or 1) if settled.task == "forecast" else None,
        warnings=_of_columns(found.unread, "is not read", "are not read"),
    )


def _by_class(codes: Ints, classes: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))[: len(classes)]
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}


def _of_columns(columns: Sequence[str], one: str, many: str) -> list[str]:
    """A warning for each column, or one for all of many columns."""
    if len(columns) <= SHOWN:
        return [f"column {column} {one}" for column in columns]
    return [f"columns {listed(columns)} {many}"]


def _row_length(source: Source, found: Found, settled: Settled, official: int) -> int | str | None:
    """Steps in a row; None where each sequence is a row; or a message where it is unknown."""
    if source.length is not None and settled.task == "echo" and source.length > LONGEST:
        return f"rows of an echo have at most {LONGEST:,} items: choose a smaller --length than {source.length:,}"
    if source.length is not None:
        return source.length
    unit = "items" if settled.task == "echo" else "steps"
    if len(found.lengths) - official == 1:
        ahead = "; to forecast it: --task forecast --length 36 --horizon 12" if settled.task == "echo" else ""
        return f"is one series: choose how many {unit} a row has, for instance --length 5{ahead}"
    shortest, longest = (int(found.lengths.min()), int(found.lengths.max())) if len(found.lengths) else (1, 1)
    if settled.task != "echo" and longest <= LONGEST_OF_TASKS:
        return None
    if settled.task == "echo" and shortest == longest <= LONGEST:
        return shortest
    for_instance = f"for instance --length {min(shortest, 5 if settled.task == 'echo' else 100)}"
    return f"has sequences of {shortest} to {longest} {unit}: choose how many {unit} a row has, {for_instance}"


def _short_sequences(found: Found, settled: Settled, length: int, source: Source) -> None:
    """Faults for an echo, whose file is small or generated; otherwise a warning, as long as some are long enough."""
    span = length + (0 if settled.task != "forecast" else 1 if settled.per_step else source.horizon or 1)
    short = np.flatnonzero(found.lengths < span)
    if not len(short):
        return
    if settled.task != "echo":
        what = many(length, "step") if span == length else f"{length} + {span - length} steps of a row and its future"
        if len(short) == len(found.lengths):
            longest = int(found.lengths.max())
            found.faults.add(None, None, f"no sequence has {what}, the longest has {longest}: choose a smaller --length")
        else:
            found.warnings.append(f"{len(short):,} sequences are shorter than {what}: they are left out")
        return
    for sequence in short[:SHOWN].tolist():
        items = int(found.lengths[sequence])
        which = "the sequence" if found.names is None else f"sequence {str(found.names[sequence])!r}"
        row = sequence if found.rows is None else int(found.rows[sequence])
        found.faults.add(row + 1, found.sequence, f"{which} is shorter than a row: {items} of {length} items")
    found.faults.more(max(0, len(short) - SHOWN))


def _whole(found: Found, settled: Settled, report: Report) -> None:
    """Faults and warnings of the file as a whole."""
    for word, described in (("input", report.features), ("target", report.targets)):
        alone = len(described) == 1
        for name, spread in described.items():
            _range(found, word if alone else f"value of {name}", spread, alone or word == "target")
    if report.features and all(spread.low == spread.high for spread in report.features.values()) and len(found.features) > 1:
        found.faults.add(None, None, "no feature ever changes: there is nothing to learn")
    if found.even and len(found.features) == 1 and not found.faults.total:
        table = found.values.reshape(len(found.lengths), -1)
        same = np.flatnonzero((table == table[0]).all(axis=0))
        if len(same) <= SHOWN:
            found.warnings += [f"step {place} is {table[0, place]:g} in every row" for place in same.tolist()]
        else:
            found.warnings.append(f"{len(same):,} steps are the same in every row")
    if settled.of_items and settled.targets is not None:
        for goal, target in zip(settled.goals, settled.targets.T, strict=True):
            for name, feature in zip(found.features, found.values.T, strict=True):
                if (feature == target).all():
                    found.warnings.append(f"feature {name} equals target {goal}: leave it out of --features")


def _range(found: Found, word: str, values: Spread, fatal: bool) -> None:
    largest = max(abs(values.low), abs(values.high))
    step = float(np.spacing(np.float32(largest)))
    if values.low == values.high and fatal:
        found.faults.add(None, None, f"every {word} is {values.low:g}: there is nothing to learn")
    elif values.low == values.high:
        found.warnings.append(f"every {word} is {values.low:g}: leave it out of --features")
    elif largest > LARGEST:
        found.faults.add(None, None, f"{word}s reach {largest:g}: beyond {LARGEST:.4g} a difference may not fit into float32")
    elif values.high - values.low < FINEST * step:
        found.faults.add(
            None,
            None,
            f"{word}s lie between {values.low:.9g} and {values.high:.9g}, where float32 has steps of {step:g}: "
            f"subtract an offset from all {word}s",
        )


def _split(source: Source, found: Found, settled: Settled, official: int, length: int | None) -> Dataset | None:
    sides = sides_of(found, settled, official, length, source)
    _enough(found, settled, sides, length, source)
    if found.faults.total:
        return None
    steps = np.concatenate([side.lengths for side in sides[:3]])
    facts = DataFacts(
        file=source.file,
        sha256=found.sha256,
        test_file=None if source.test is None else Source(source.test).file,
        length=int(steps.max()),
        shortest=int(steps.min()),
        stride=sides.stride,
        split=sides.way,
        split_seed=source.seed,
        held_out_fraction=source.held_out,
        sequences_train=sides.sequences[0],
        sequences_held_out=sides.sequences[1],
        rows_train=len(sides.train),
        rows_validation=len(sides.validation),
        rows_held_out=len(sides.held_out),
        read_as=source.said,
    )
    features = _quantities(found.features, found.values)
    places = {name: place for place, name in enumerate(found.features)}
    columns = [places[goal] for goal in settled.goals] if settled.task == "forecast" else []
    goals = [features[column] for column in columns]
    if settled.targets is not None:
        goals = _quantities(settled.goals, settled.targets)
    return Dataset(
        task=settled.task,
        per_step=settled.per_step,
        values=found.values,
        targets=settled.answers,
        features=features,
        goals=goals,
        classes=list(settled.classes),
        target_columns=columns,
        horizon=1 if settled.per_step else source.horizon or 1,
        train=sides.train,
        validation=sides.validation,
        held_out=sides.held_out,
        facts=facts,
    )


def _quantities(names: Sequence[str], values: Floats) -> list[Quantity]:
    return [Quantity(name=name[:200], domain=domain_of(values[:, place])) for place, name in enumerate(names)]


def _enough(found: Found, settled: Settled, sides: Sides, length: int | None, source: Source) -> None:
    """Faults where a side has too few rows, or lacks a class."""
    steps = "" if length is None else f"; a row has {many(length, 'item' if settled.task == 'echo' else 'step')}"
    fewest = FEWEST_TRAIN if settled.task == "echo" else FEWEST_OF_TASKS
    few = False
    for side, number, least in (("train on", len(sides.train), fewest), ("hold out", len(sides.held_out), FEWEST_HELD_OUT)):
        if number < least:
            few = True
            found.faults.add(
                None, None, f"too few rows to {side}: {number}, of at least {least}{steps}{_remedy(sides, settled)}"
            )
    if settled.codes is None or few:
        return
    codes = [settled.codes[_answered(side.answers, side.lengths, settled.per_step)] for side in sides[:3]]
    taught, _, judged = (np.bincount(part, minlength=len(settled.classes)) > 0 for part in codes)
    if untaught := [name for name, there in zip(settled.classes, taught, strict=True) if not there]:
        found.faults.add(
            None,
            found.label,
            f"no row to train on has {'class' if len(untaught) == 1 else 'classes'} {listed(untaught)}: try another "
            f"--split-seed than {source.seed}, or a smaller --held-out",
        )
    if unjudged := [name for name, there in zip(settled.classes, judged, strict=True) if not there]:
        found.warnings.append(f"no held-out row has {'class' if len(unjudged) == 1 else 'classes'} {listed(unjudged)}")


def _remedy(sides: Sides, settled: Settled) -> str:
    if settled.task == "echo":
        return ""
    if sides.way == "by time":
        return ": choose a smaller --length or --horizon, or another --held-out"
    if sides.way == "by blocks of time":
        return ": choose a smaller --length; rows that overlap lose their neighbours at each block: bring the series itself"
    return ": bring more sequences, or cut them with --length" if settled.per_step else ": bring more sequences"


def _answered(answers: Ints, lengths: Ints, per_step: bool) -> Ints:
    """The places of all answers of a side's rows."""
    if not per_step or not len(answers):
        return answers
    ends = np.cumsum(lengths)
    places: Ints = np.repeat(answers - (ends - lengths), lengths) + np.arange(ends[-1])
    return places
