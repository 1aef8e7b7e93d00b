"""What a file holds: the form in which every reader hands its sequences to the checks."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Ints
from training.sequences.cells import Faults

Mask = npt.NDArray[np.bool_]


@dataclass(eq=False)
class Found:
    """A file's sequences, end to end. Bad cells are 0 and `faults` has them; missing cells are NaN until they are filled."""

    sha256: str
    layout: str  # as people call it
    faults: Faults
    values: Floats  # (items, F)
    features: list[str]
    lengths: Ints  # (sequences,)
    per_step: bool = True  # whether targets and labels are those of steps, or of sequences
    targets: Floats | None = None  # (items, T) or (sequences, T)
    goals: list[str] = field(default_factory=list)  # the targets' names
    labels: Any = None  # (items,) or (sequences,): Arrow text; null where missing
    label: str | None = None  # its column
    times: Any = None  # (items,) float64; None: the file has no time column
    dated: bool = False  # whether times are seconds, from dates
    rows: Ints | None = None  # (sequences,): the file's row, from 0, of each first item; None: one row per sequence
    names: Any = None  # (sequences,): Arrow text; None: sequences have no names
    sequence: str | None = None  # the column of the names
    filled: Mask | None = None  # (items, F): missing numbers that were filled; None: there were none
    unanswered: Mask | None = None  # (items,) or (sequences,): the targets that were missing; None: there were none
    even: bool = False  # sequences are rows of an array or of a wide table
    ragged: bool = False  # ragged lines were skipped, so lengths are not reliable
    unread: tuple[str, ...] = ()  # columns
    warnings: list[str] = field(default_factory=list)
