"""Cells to float32, and faults for cells that are not numbers."""

import math
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Ints
from training.sequences.columns import NUMBER
from training.sequences.source import SHOWN, Fault

HIGHEST: Final = float(np.finfo(np.float32).max)


class Faults:
    """Counts all faults, and describes the first ones."""

    def __init__(self, file: str, header: int | None) -> None:
        self.file, self.total = file, 0
        self._header = header  # lines above the first row; None where the file has no lines
        self._found: list[Fault] = []

    def add(self, row: int | None, column: str | None, reason: str) -> None:
        """`row` from 1, after the header."""
        line = None if row is None or self._header is None else row + self._header
        self._found.append(Fault(self.file, row, line, column, reason))
        self.total += 1

    def more(self, number: int) -> None:
        """Count `number` more faults without describing them."""
        self.total += number

    @property
    def found(self) -> tuple[list[Fault], int]:
        """The described faults, and the number of all."""
        return self._found, self.total


def float32(cells: Any) -> tuple[Floats, Ints]:
    """Arrow or NumPy cells -> (cells,) float32, and the places of cells that are not finite float32."""
    wide = _float64(cells)
    bad = np.flatnonzero(~(np.abs(wide) <= HIGHEST))  # written so that NaN is bad
    if len(bad):
        wide = wide.copy()
        wide[bad] = 0.0
    return wide.astype(np.float32), bad


def describe(cells: Any, bad: Ints, faults: Faults, rows: Ints, column: str) -> None:
    """Add the first bad cells to the faults and count the others. `rows` has each bad cell's row, from 0."""
    for index, row in zip(bad[:SHOWN].tolist(), rows[:SHOWN].tolist(), strict=True):
        cell = cells[index]
        faults.add(row + 1, column, reason_for(cell.as_py() if isinstance(cell, pa.Scalar) else cell.item()))
    faults.more(max(0, len(bad) - SHOWN))


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
