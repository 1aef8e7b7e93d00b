"""Rows that were given, and the refusal of those that are none."""

from typing import Any, NamedTuple

import numpy.typing as npt

from contract.rows import Rows
from service.errors import InvalidRequest


class Given(NamedTuple):
    rows: Rows
    names: npt.NDArray[Any] | None = None  # (rows,): of the sequences, where a data frame names them
    by_name: bool = False  # whether the features came by name, not by their order


def invalid(expected: str, received: str, hint: str = "", row: int | None = None) -> InvalidRequest:
    where: dict[str, Any] = {} if row is None else {"row": row}
    detail = f"expected {expected}; received {received}. {hint}".rstrip()
    return InvalidRequest(detail, expected=expected, received=received, hint=hint, **where)
