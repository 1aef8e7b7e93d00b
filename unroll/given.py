"""Rows of the user, how wrong rows are refused, and the number of the row in an error."""

import re
from typing import Any, Final, NamedTuple

import numpy.typing as npt

from contract.rows import Rows
from service.errors import InvalidRequest, UnrollError

_ROW: Final = re.compile(r"\b(row |sequences\[)(\d+)")


class Given(NamedTuple):
    rows: Rows
    names: npt.NDArray[Any] | None = None  # (rows,): of the sequences, where a data frame names them
    by_name: bool = False  # whether the features came by name, not by their order


def invalid(expected: str, received: str, hint: str = "", row: int | None = None) -> InvalidRequest:
    where: dict[str, Any] = {} if row is None else {"row": row}
    detail = f"expected {expected}; received {received}. {hint}".rstrip()
    return InvalidRequest(detail, expected=expected, received=received, hint=hint, **where)


def moved(error: UnrollError, rows: int) -> UnrollError:
    """The error with its row counted from the first of all rows, where `rows` are before those that were asked."""
    if "row" not in error.extra and (found := _ROW.search(str(error.extra.get("received", "")))) is not None:
        error.extra["row"] = int(found[2])
    if rows and "row" in error.extra:
        error.extra["row"] += rows
        error.detail = _ROW.sub(lambda found: f"{found[1]}{int(found[2]) + rows}", error.detail)
        error.args = (error.detail,)
    return error
