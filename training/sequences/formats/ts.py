"""Reads `.ts`, the format of the UCR and UEA archives: a header of @ lines, then a sequence per line.

A line holds the features, separated by `:`, each as its steps, separated by commas; then the class or the target. With time
stamps a step is `(time,value)`. Missing numbers are `?` or NaN. The package aeon reads it too, but needs numba and other
versions of NumPy and pandas than training, so this room has a reader of its own.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from contract.rows import Floats
from training.sequences.cells import Faults
from training.sequences.formats.arrays import Arrays, found_in
from training.sequences.formats.found import Found
from training.sequences.formats.opened import Opened, lines_of
from training.sequences.source import DataRefused, Source, refuse

_STAMPED: Final = re.compile(r"\([^()]*,\s*([^(),]*)\)")


class _Header(NamedTuple):
    lines: int  # up to @data
    stamped: bool
    answer: str | None  # label, target, or none


def read_ts(opened: Opened, source: Source) -> Found:
    """Read `.ts`. Raises DataRefused where a line is none."""
    _check_said(source)
    text = lines_of(opened.stream(), source)
    header = _header(text, source)
    faults = Faults(source.file, header.lines)
    steps: list[np.ndarray] = []
    answers: list[str] = []
    width: int | None = None
    for row, line in enumerate(text, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.strip().split(":")] if not header.stamped else _stamped(line)
        answer = parts.pop() if header.answer else ""
        sequence = _numbers(parts, row, faults)
        width = len(parts) if width is None else width
        if len(parts) != width:
            faults.add(row, None, f"expected {width} features as in the first row; received {len(parts)}")
        elif sequence is not None:
            steps.append(sequence)
            answers.append(answer)
    if faults.total:
        raise DataRefused(*faults.found)
    if not steps:
        refuse(source, "has no rows")
    lengths = np.array([len(each) for each in steps])
    labels = np.array(answers) if header.answer == "label" else None
    targets = _targets(answers, faults) if header.answer == "target" else None
    return found_in(Arrays(np.concatenate(steps), lengths, targets, labels), source, faults, opened)


def _check_said(source: Source) -> None:
    """Raise DataRefused where the user names columns, which `.ts` does not have."""
    said = {
        "--label": source.label,
        "--sequence-column": source.sequence_column,
        "--time-column": source.time_column,
        "--pivot": source.pivot,
    }
    if options := [option for option, value in said.items() if value]:
        refuse(source, f"a .ts file has no columns: its header says what a line holds: leave out {' and '.join(options)}")


def _header(text: Iterable[str], source: Source) -> _Header:
    stamped, answer, number = False, None, 0
    for number, line in enumerate(text, 1):
        words = line.split()
        if not words or not words[0].startswith("@"):
            if words and not words[0].startswith(("#", "%")):
                break
            continue
        key, yes = words[0].lower(), len(words) > 1 and words[1].lower() == "true"
        if key == "@data":
            return _Header(number, stamped, answer)
        if key == "@timestamps":
            stamped = yes
        elif key in ("@classlabel", "@targetlabel") and yes:
            answer = "label" if key == "@classlabel" else "target"
    return refuse(
        source, f"cannot be read as .ts: expected lines that begin with @, and then @data; line {number} is none of them"
    )


def _stamped(line: str) -> list[str]:
    """(time,value),(time,value):...:class -> the values of each feature, and the class."""
    parts = re.split(r"(?<=\)):", line.strip())
    return [",".join(_STAMPED.findall(part)) if part.startswith("(") else part for part in parts]


def _numbers(parts: list[str], row: int, faults: Faults) -> Floats | None:
    """(steps, F)"""
    try:
        features = [[float(step) for step in part.replace("?", "nan").split(",")] for part in parts]
    except ValueError as error:
        faults.add(row, None, str(error).replace("could not convert string to float:", "not a number:"))
        return None
    if len({len(feature) for feature in features}) != 1:
        faults.add(
            row, None, "expected features of as many steps; received " + ", ".join(str(len(each)) for each in features[:8])
        )
        return None
    return np.array(features).T


def _targets(answers: list[str], faults: Faults) -> Floats:
    try:
        return np.array([float(answer) for answer in answers])
    except ValueError as error:
        faults.add(None, None, f"a target is no number: {error}")
        raise DataRefused(*faults.found) from None
