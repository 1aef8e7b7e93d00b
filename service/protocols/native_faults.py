"""Says what is wrong with a request of the native protocol: expected, received, likely slip. The text is bounded."""

import json
import re
from typing import Any, Final

import numpy as np

from contract.rows import Rows
from service.errors import InvalidRequest, TooManyValues

FIELDS: Final = "the field sequences, and optionally model_version and routing_key"
_VALUE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[^\s,\]}]+', re.DOTALL)
_MOST_SHOWN: Final = 60


def spelled(content: bytes, place: int) -> str:
    """The value that begins at `place`, as the request spells it, cut short; of an object only its kind."""
    if content[place : place + 1] == b"{":
        return "an object"
    found = _VALUE.match(content, place, place + _MOST_SHOWN + 1)
    return cut(found[0] if found else content[place : place + _MOST_SHOWN + 1])


def cut(content: bytes) -> str:
    shown = content if len(content) <= _MOST_SHOWN else content[: _MOST_SHOWN - 3] + b"..."
    return shown.decode(errors="replace")


def wrong_fields(reason: str, body: bytes) -> InvalidRequest:
    """`reason` is msgspec's, about the body as a whole."""
    if "missing required field" in reason:
        return _invalid(FIELDS, "none named sequences", "Is the name spelled right?")
    if "unknown field" in reason:
        return _invalid(FIELDS, _shown(reason.partition("`")[2].rpartition("`")[0]), "Is the name spelled right?")
    return _invalid('an object {"sequences": [[...], ...]}', cut(body.strip()))


def wrong_text(field: str, most: int, received: str) -> InvalidRequest:
    return _invalid(f"text of at most {most} characters", f"{received} at {field}")


def wrong_rows(rows: Any, value: str) -> InvalidRequest:
    """The first fault in `rows`. None stands for the one value that is neither a number nor a list, spelled `value`."""
    if not isinstance(rows, list):
        return _invalid("a list of rows", f"{value or _shown(rows)} at sequences")
    for number, row in enumerate(rows):
        path = f"sequences[{number}]"
        if not isinstance(row, list):
            if row is not None:
                return wrong_depth(f"the number {row} at {path}", "Put each row in a list of its own: [[0.0, 0.2]].")
            return not_a_number(value, path) if _numeric(value) else _invalid("a row (a list of numbers)", f"{value} at {path}")
        kinds = [*map(type, row)]
        if wrong := {*kinds} - {int, float}:
            place = min(map(kinds.index, wrong))
            if row[place] is None:
                return not_a_number(value, f"{path}[{place}]")
            hint = "Items are plain numbers: [[0.0]], not [[[0.0]]]; the service adds axes."
            return wrong_depth(f"a list at {path}[{place}]", hint)
    raise AssertionError("nothing is wrong with these rows")


def not_a_number(value: str, path: str) -> InvalidRequest:
    """`value` as the request spells it."""
    if _numeric(value):
        return _invalid("finite numbers", f"{value} at {path}", "NaN, Infinity and numbers beyond float32 are refused.")
    return _invalid("a number", f"{value} at {path}")


def not_finite(rows: Rows, sequences: list[list[float]]) -> InvalidRequest:
    item = int(np.flatnonzero(~np.isfinite(rows.values))[0])
    row = int(np.searchsorted(rows.starts, item, side="right")) - 1
    place = item - int(rows.starts[row])
    received = f"{_shown(sequences[row][place])} at sequences[{row}][{place}]"
    return _invalid("numbers that are finite as float32 (up to 3.4e38)", received)


def check_counts(rows: int, items: int, max_rows: float, max_items: float) -> None:
    """Raise TooManyValues for more rows or items than a request may have."""
    for what, received, most in (("rows", rows, max_rows), ("items", items, max_items)):
        if received > most:
            detail = f"expected at most {most} {what} in one request; received {received}. Send several requests."
            raise TooManyValues(detail, expected=most, received=received)


def wrong_depth(received: str, hint: str = "") -> InvalidRequest:
    return _invalid("rows of numbers, [[...], ...]", received, hint)


def _invalid(expected: str, received: str, hint: str = "") -> InvalidRequest:
    detail = f"expected {expected}; received {received}. {hint}".rstrip()
    return InvalidRequest(detail, expected=expected, received=received, hint=hint)


def _numeric(value: str) -> bool:
    return value[:1].isdigit() or value.startswith(("-", "NaN", "Infinity"))


def _shown(value: Any) -> str:
    return cut(json.dumps(value).encode())
