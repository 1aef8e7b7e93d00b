"""Cells to float32, and faults for cells that are not numbers."""

import math
import re
from collections import Counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Ints
from training.sequences.columns import NUMBER
from training.sequences.source import ALONE, SHOWN, Fault

HIGHEST: Final = float(np.finfo(np.float32).max)
EMPTY: Final = frozenset({"", "nan", "na", "n/a", "null", "none", "?"})
"""Texts of a missing cell, in lower case, where `--missing` accepts missing cells."""
DESCRIBED: Final = 100_000
"""So many bad cells of a block are described; the others are counted."""


class Faults:
    """Counts all faults, and describes the first ones. Equal faults of a column become one."""

    def __init__(self, file: str, header: int | None) -> None:
        self.file, self.total = file, 0
        self._header = header  # lines above the first row; None where the file has no lines
        self._found: dict[tuple[str | None, str], tuple[list[Fault], int]] = {}  # by column and reason: the first, the number
        self._kinds = Counter[str | None]()  # different reasons of each column

    def add(self, row: int | None, column: str | None, reason: str) -> None:
        """`row` from 1, after the header."""
        self.total += 1
        kind = (column, reason)
        if kind not in self._found:
            if self._kinds[column] == SHOWN:
                return
            self._kinds[column] += 1
        first, number = self._found.get(kind, ([], 0))
        if number < ALONE:
            line = None if row is None or self._header is None else row + self._header
            first.append(Fault(self.file, row, line, column, reason))
        self._found[kind] = first, number + 1

    def more(self, number: int) -> None:
        """Count `number` more faults without describing them."""
        self.total += number

    @property
    def found(self) -> tuple[list[Fault], int]:
        """The described faults, and the number of all."""
        faults = []
        for first, number in self._found.values():
            faults += first if number <= ALONE else [first[0]._replace(cells=number)]
        return faults, self.total


def float32(cells: Any, keep_missing: bool = False) -> tuple[Floats, Ints]:
    """Arrow or NumPy cells -> (cells,) float32, and the places of cells that are not finite float32, which are 0.

    `keep_missing`: empty cells are no faults, but NaN.
    """
    wide = _float64(cells)
    bad = np.flatnonzero(~(np.abs(wide) <= HIGHEST))  # written so that NaN is bad
    if not len(bad):
        return wide.astype(np.float32), bad
    wide = wide.copy()
    wide[bad] = 0.0
    if keep_missing:
        missing = np.fromiter((_is_missing(cells[place]) for place in bad.tolist()), np.bool_, len(bad))
        wide[bad[missing]] = np.nan
        bad = bad[~missing]
    return wide.astype(np.float32), bad


def describe(cells: Any, bad: Ints, faults: Faults, rows: Ints, column: str) -> None:
    """Add the bad cells to the faults. `rows` has each bad cell's row, from 0."""
    for index, row in zip(bad[:DESCRIBED].tolist(), rows[:DESCRIBED].tolist(), strict=True):
        faults.add(row + 1, column, reason_for(_plain(cells[index])))
    faults.more(max(0, len(bad) - DESCRIBED))


def reason_for(cell: object) -> str:
    """Why a cell is not a finite float32."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return "the cell is empty"
    shown = repr(cell) if isinstance(cell, str) else f"{cell:g}" if isinstance(cell, float) else str(cell)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    if isinstance(cell, str) and not NUMBER.fullmatch(cell.strip()):
        comma = re.fullmatch(r"[+-]?[0-9]+,[0-9]+", cell.strip())
        foreign = any(character.isdigit() and not character.isascii() for character in cell)
        slip = ": write a decimal point, not a comma" if comma else ": write the digits 0 to 9" if foreign else ""
        return f"{shown} is not a number{slip}"
    written_out = isinstance(cell, str) and not re.search(r"nan|inf", cell, re.IGNORECASE)
    if written_out or (isinstance(cell, float) and math.isfinite(cell)) or isinstance(cell, int):
        return f"{shown} is beyond float32, whose largest number is {HIGHEST:.4g}"
    return f"{shown} is not finite"


def _plain(cell: Any) -> object:
    return cell.as_py() if isinstance(cell, pa.Scalar) else cell.item()


def _is_missing(cell: Any) -> bool:
    plain = _plain(cell)
    return (
        plain is None
        or (isinstance(plain, float) and math.isnan(plain))
        or (isinstance(plain, str) and plain.strip().lower() in EMPTY)
    )


def _float64(cells: Any) -> npt.NDArray[np.float64]:
    """The cells as float64; NaN where a cell is not a number."""
    if isinstance(cells, np.ndarray):
        return cells.astype(np.float64)
    if pa.types.is_string(cells.type):
        try:
            cells = pc.cast(cells, pa.float64())
        except pa.ArrowInvalid:  # some cell is bad: find it now, allowing blanks around numbers
            trimmed = pc.utf8_trim_whitespace(cells)
            is_number = pc.match_substring_regex(trimmed, f"^(?:{NUMBER.pattern})$")
            cells = pc.if_else(is_number, trimmed, pa.scalar(None, pa.string()))
    floats: npt.NDArray[np.float64] = pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return floats
