"""Fills missing numbers from the past, or drops the steps or rows that have one."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Ints
from training.sequences.formats.found import Found, Mask
from training.sequences.source import Source, many


def fill(found: Found, source: Source) -> None:
    """Leave no NaN in `found`, as `source.missing` says. Adds a fault where a sequence has no number to go by."""
    if source.missing == "refuse":
        return
    if source.missing == "fill":
        _carry(found)
    else:
        _drop(found)


def carried(column: Floats, lengths: Ints) -> Floats:
    """(items,): in place of a missing number the last one before it in the same sequence; at its head the first one.

    Only the past fills a gap, so that no input holds a later value. A sequence without any number stays NaN.
    """
    missing = np.isnan(column)
    if not missing.any():
        return column
    items = np.arange(len(column))
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = ends - np.repeat(lengths, lengths)
    before = np.maximum.accumulate(np.where(missing, -1, items))
    after = np.minimum.accumulate(np.where(missing, len(column), items)[::-1])[::-1]
    taken = np.where(before >= starts, before, np.where(after < ends, after, items))
    filled: Floats = column[taken]
    return filled


def _carry(found: Found) -> None:
    missing: Mask = np.asarray(np.isnan(found.values))
    if missing.any():
        found.filled = missing
        found.warnings.append(f"{many(int(missing.sum()), 'missing number')} filled with the value before")
    for place, name in enumerate(found.features):
        found.values[:, place] = carried(found.values[:, place], found.lengths)
        if gone := int(np.isnan(found.values[:, place]).sum()):
            found.faults.add(None, name, f"a sequence has no number at all ({gone:,} steps): leave it out, or --missing drop")
    if found.targets is not None and (unanswered := np.asarray(np.isnan(found.targets).any(axis=1))).any():
        found.unanswered = unanswered
        for place, goal in enumerate(found.goals):  # never read, but the file's range must not grow
            found.targets[:, place] = carried(found.targets[:, place], np.array([len(found.targets)]))
            if np.isnan(found.targets[:, place]).any():
                found.faults.add(None, goal, "no target is a number")


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
