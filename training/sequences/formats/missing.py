"""Fills missing numbers, or drops the steps or rows that have one."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Ints
from training.sequences.formats.found import Found
from training.sequences.source import Source

Mask = npt.NDArray[np.bool_]


def fill(found: Found, source: Source) -> None:
    """Leave no NaN in `found`, as `source.missing` says. Adds a fault where a sequence has no number to go by."""
    if source.missing == "refuse":
        return
    if source.missing == "interpolate":
        _interpolate(found)
    else:
        _drop(found)


def interpolated(column: Floats, lengths: Ints, times: npt.NDArray[np.float64] | None = None) -> Floats:
    """(items,): missing numbers on the line between their neighbours in the same sequence; ends are held.

    A sequence without any number stays NaN.
    """
    missing = np.isnan(column)
    if not missing.any():
        return column
    items = np.arange(len(column))
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = ends - np.repeat(lengths, lengths)
    before = np.maximum.accumulate(np.where(missing, -1, items))
    after = np.minimum.accumulate(np.where(missing, len(column), items)[::-1])[::-1]
    before, after = np.where(before < starts, -1, before), np.where(after >= ends, -1, after)
    low, high = np.where(before < 0, after, before), np.where(after < 0, before, after)
    place = items.astype(np.float64) if times is None else times
    width = place[high] - place[low]
    share = np.divide(place - place[low], width, out=np.zeros(len(column)), where=width != 0)
    lows, highs = column[low].astype(np.float64), column[high].astype(np.float64)
    between = lows + share * (highs - lows)
    filled: Floats = np.where(missing, np.where(low < 0, np.nan, between), column).astype(np.float32)
    return filled


def _interpolate(found: Found) -> None:
    cells = 0
    arrays = [(found.features, found.values, found.lengths)]
    if found.targets is not None and found.per_step:
        arrays.append((found.goals, found.targets, found.lengths))
    for names, values, lengths in arrays:
        for place, name in enumerate(names):
            cells += int(np.isnan(values[:, place]).sum())
            values[:, place] = interpolated(values[:, place], lengths, found.times)
            if gone := int(np.isnan(values[:, place]).sum()):
                found.faults.add(
                    None, name, f"a sequence has no number at all ({gone:,} steps): leave it out, or --missing drop"
                )
    if found.targets is not None and not found.per_step and (gone := int(np.isnan(found.targets).any(axis=1).sum())):
        found.faults.add(None, None, f"{gone:,} rows have no target: --missing drop leaves them out")
    if cells:
        found.warnings.append(f"{cells:,} missing numbers were interpolated")


def _drop(found: Found) -> None:
    """Steps go where sequences are ragged; rows go where all are as long, or where the answer to the row is missing."""
    bad: Mask = np.asarray(np.isnan(found.values).any(axis=1))
    bad_rows = np.zeros(len(found.lengths), np.bool_)
    answers = np.zeros(len(bad if found.per_step else bad_rows), np.bool_)
    if found.targets is not None:
        answers |= np.isnan(found.targets).any(axis=1)
    if found.labels is not None:
        answers |= pc.is_null(found.labels).to_numpy(zero_copy_only=False)
    if found.per_step:
        bad |= answers
    else:
        bad_rows |= answers
    of_row = np.repeat(np.arange(len(found.lengths)), found.lengths)
    if found.even:
        bad_rows |= np.bincount(of_row[bad], minlength=len(found.lengths)) > 0
        bad[:] = False
    bad = bad | bad_rows[of_row]
    lengths = np.bincount(of_row[~bad], minlength=len(found.lengths))
    kept = lengths > 0
    if not bad.any():
        return
    found.warnings.append(
        f"{int((~kept).sum()):,} rows with missing cells are left out"
        if found.even or not found.per_step
        else f"{int(bad.sum()):,} steps with missing cells are left out"
    )
    _keep(found, ~bad, kept, lengths)


def _keep(found: Found, steps: Mask, rows: Mask, lengths: Ints) -> None:
    answers = steps if found.per_step else rows
    found.values, found.lengths = found.values[steps], lengths[rows]
    if found.targets is not None:
        found.targets = found.targets[answers]
    if found.labels is not None:
        found.labels = found.labels.filter(pa.array(answers))
    if found.times is not None:
        found.times = found.times[steps]
    if found.rows is not None and len(found.rows) == len(rows):
        found.rows = found.rows[rows]
    if found.names is not None:
        found.names = found.names.filter(pa.array(rows))
