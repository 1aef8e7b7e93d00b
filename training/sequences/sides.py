"""Cuts the rows of each side of the split, by the rules of the task."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from contract.rows import Floats, Ints
from training.sequences.dataset import NO_ROWS, Side
from training.sequences.formats.found import Found
from training.sequences.source import Source, many
from training.sequences.split import (
    BLOCKS,
    BLOCKS_OF_TASKS,
    SPLIT,
    Fingerprints,
    blocks_of_time,
    copies,
    fingerprints,
    held_out,
)
from training.sequences.tasks import Settled
from training.sequences.windows import (
    HELD_OUT,
    LEFT_OUT,
    TRAIN,
    VALIDATION,
    Horizon,
    Mask,
    blocks_with_gaps,
    by_time,
    cut,
    overlapping,
)

VALIDATED: Final = 0.15
"""Share of the rows that are not held out, to choose the best weights by."""
Way = Literal["by sequence", "by blocks of time", "by time", "by file"]


class Sides(NamedTuple):
    train: Side
    validation: Side
    held_out: Side
    way: Way
    sequences: tuple[int, int]  # to train on, and held out
    stride: int


def sides_of(found: Found, settled: Settled, official: int, length: int | None, source: Source) -> Sides:
    """Cut and split. The last `official` sequences are held out. Adds warnings to `found`."""
    if settled.task == "forecast":
        return _forecast(found, settled, official, length or 1, source)
    lengths, blocks = found.lengths, len(found.lengths) - official == 1
    if blocks:
        most = BLOCKS if settled.task == "echo" else BLOCKS_OF_TASKS
        items = int(lengths[0])
        lengths = np.concatenate([blocks_of_time(items, length or items, most), lengths[1:]])
    offsets = np.cumsum(lengths) - lengths
    side, apart = _sides_of_sequences(found, settled, official, offsets, lengths, blocks, source)
    stride = source.stride or (1 if settled.task == "echo" else length or 1)
    found_sides = [_rows(offsets, lengths, side == each, length, stride, settled) for each in (TRAIN, VALIDATION, HELD_OUT)]
    found_sides = _answered(found, found_sides, found.unanswered, lambda rows: (rows.answers, _after(rows, settled)))
    train, validation, judged = _fresh(found, settled, official, found_sides)
    counts = int((side == TRAIN).sum() + (side == VALIDATION).sum()), int((side == HELD_OUT).sum())
    way: Way = "by file" if official else "by blocks of time" if blocks or apart else "by sequence"
    return Sides(train, validation, judged, way, counts, stride)


def _forecast(found: Found, settled: Settled, official: int, length: int, source: Source) -> Sides:
    lengths = found.lengths
    offsets = np.cumsum(lengths) - lengths
    where = Horizon.of(length, source.horizon or 1, settled.per_step)
    tested = np.arange(len(lengths)) >= len(lengths) - official
    stride = source.stride or 1
    cut_sides = by_time(offsets, lengths, where, stride, (VALIDATED, source.held_out), tested, found.times)
    goals = [place for place, name in enumerate(found.features) if name in settled.goals]
    unknown: Mask | None = None if found.filled is None else np.asarray(found.filled[:, goals].any(axis=1))
    train, validation, judged = _answered(
        found, cut_sides, unknown, lambda rows: (rows.starts + where.first, rows.starts + where.span)
    )
    if official:
        judged = _untold(found, where, offsets, tested, judged)
    sides = train, validation, judged
    series = [len(np.unique(np.searchsorted(offsets, side.starts, "right"))) for side in sides]
    return Sides(*sides, "by file" if official else "by time", (series[0], series[2]), stride)


def _sides_of_sequences(
    found: Found, settled: Settled, official: int, offsets: Ints, lengths: Ints, blocks: bool, source: Source
) -> tuple[Ints, bool]:
    """(sequences,): the side of each; and whether they are windows of one series, and so were split by blocks of time."""
    validated = 0.0 if settled.task == "echo" else VALIDATED
    side = np.full(len(lengths), TRAIN)
    if official:
        side[-official:] = HELD_OUT
    if (
        found.even
        and len(lengths) > 1
        and not official
        and (windows := _windows(found, settled, validated, source)) is not None
    ):
        return windows, True
    answers = None if settled.of_items or settled.answers is None else [settled.answers]
    same = fingerprints(_steps(found, settled), offsets, lengths, answers)
    if (repeated := copies(same)) and not blocks:
        found.warnings.append(f"{repeated:,} sequences are copies of others: copies stay on the same side of the split")
    classes = None if settled.of_items else settled.codes
    if not official:
        side[held_out(same, source.held_out, source.seed, classes)] = HELD_OUT
    if validated and np.count_nonzero(side == TRAIN) > 1:
        left = np.flatnonzero(side == TRAIN)
        some = held_out(same[left], validated, source.seed + 1, None if classes is None else classes[left])
        side[left[some]] = VALIDATION
    return side, False


def _windows(found: Found, settled: Settled, validated: float, source: Source) -> Ints | None:
    """(rows,): the side of each row, where rows overlap their neighbours; None where they do not."""
    rows = len(found.lengths)
    shaped = found.values.reshape(rows, -1, found.values.shape[1])
    if (seen := overlapping(shaped)) is None:
        return None
    shift, linked = seen
    if np.count_nonzero(linked) < 0.5 * len(linked):
        return None
    ahead = 0 if settled.of_items or settled.targets is None else settled.targets.shape[1]
    time = shaped.shape[1]
    gap = -(-(time + ahead) // shift) - 1
    order = np.random.default_rng([source.seed, SPLIT]).random(BLOCKS)
    sides = blocks_with_gaps(rows, gap, (validated, source.held_out), order)
    found.warnings.append(
        f"rows are windows of {time} steps that begin {shift} {'step' if shift == 1 else 'steps'} after each other: they are "
        f"split by blocks of time, and {int((sides == LEFT_OUT).sum()):,} rows between blocks are left out"
    )
    return sides


def _steps(found: Found, settled: Settled) -> list[Floats | Ints]:
    """What makes a step: the features and its answer."""
    return [found.values, settled.answers] if settled.of_items and settled.answers is not None else [found.values]


def _rows(offsets: Ints, lengths: Ints, chosen: Mask, length: int | None, stride: int, settled: Settled) -> Side:
    which = np.flatnonzero(chosen)
    if not len(which):
        return NO_ROWS
    starts, steps, sequence = cut(offsets[which], lengths[which], length, stride)
    if settled.per_step:
        return Side(starts, steps, starts)
    return Side(starts, steps, starts + steps - 1 if settled.of_items else which[sequence])


def _untold(found: Found, where: Horizon, offsets: Ints, tested: Mask, judged: Side) -> Side:
    """The rows of a test file without those whose targets occur in the other file: there the same steps lead to the same
    next one, to the first target or to the last."""
    steps = where.length + 1
    taught, _, _ = cut(offsets[~tested], found.lengths[~tested], steps, 1)

    def hashed(starts: Ints) -> Fingerprints:
        return fingerprints([found.values], starts, np.full(len(starts), steps))

    known = hashed(taught)
    told = np.isin(hashed(judged.starts), known) | np.isin(hashed(judged.starts + where.span - steps), known)
    if told.any():
        found.warnings.append(
            f"the targets of {int(told.sum()):,} of {many(len(judged), 'held-out row')} also occur among the training data: "
            "they are left out: --test expects steps that --data does not have"
        )
    return Side(*(part[~told] for part in judged))


def _after(rows: Side, settled: Settled) -> Ints:
    """(rows,): the place after each row's last answer."""
    return rows.answers + (rows.lengths if settled.per_step else 1)


def _answered(
    found: Found, sides: Sequence[Side], missing: Mask | None, places: Callable[[Side], tuple[Ints, Ints]]
) -> list[Side]:
    """The sides without rows that have a missing answer. `places`: where the answers to each row begin and end."""
    if missing is None or not missing.any():
        return list(sides)
    before = np.concatenate([[0], np.cumsum(missing)])
    known = [before[begin] == before[end] for begin, end in map(places, sides)]
    left_out, rows = sum(int((~each).sum()) for each in known), sum(map(len, sides))
    if left_out:
        found.warnings.append(f"{left_out:,} of {rows:,} rows are left out: an answer to them is missing")
    return [Side(*(part[each] for part in side)) for side, each in zip(sides, known, strict=True)]


def _fresh(found: Found, settled: Settled, official: int, sides: list[Side]) -> tuple[Side, Side, Side]:
    """The sides, without held-out rows that occur among the others. An official test side stays whole: there the others go."""
    train, validation, judged = sides

    def hashed(side: Side) -> Fingerprints:
        answers = None if settled.of_items or settled.answers is None else [settled.answers[side.answers]]
        return fingerprints(_steps(found, settled), side.starts, side.lengths, answers)

    if official:
        asked = hashed(judged)
        for place, side in enumerate((train, validation)):
            twice = np.isin(hashed(side), asked)
            if twice.any():
                found.warnings.append(f"{int(twice.sum()):,} rows also occur in the test file: they are not trained on")
            sides[place] = Side(*(part[~twice] for part in side))
        return sides[0], sides[1], judged
    twice = np.isin(hashed(judged), np.concatenate([hashed(train), hashed(validation)]))
    if twice.any():
        found.warnings.append(
            f"{int(twice.sum()):,} of {len(judged):,} held-out rows also occur among the training rows: they are left out"
        )
    return train, validation, Side(*(part[~twice] for part in judged))
