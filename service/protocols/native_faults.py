"""Says what is wrong with a request of the native protocol: expected, received, likely slip. The text is bounded."""

import json
import re
from bisect import bisect_right
from contextlib import suppress
from difflib import get_close_matches
from itertools import accumulate, chain
from math import isfinite
from typing import Any, Final, NamedTuple

import numpy as np

from contract.manifest import Manifest
from contract.rows import Rows
from service.errors import InvalidRequest, NotJSON, TooManyValues
from service.protocols.native_slips import Slip

FIELDS: Final = "the field sequences, and optionally model_version, routing_key and strict"
_NAMES: Final = ("sequences", "model_version", "routing_key", "strict")
_OTHER_NAMES: Final = frozenset({"data", "features", "input", "inputs", "instances", "rows", "series", "values", "x"})
"""Names of other servers for what this service calls sequences."""
_UNNAMED: Final = "Write numbers without names, in the order of GET /models/{name}."
_VALUE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[^\s,\]}]+', re.DOTALL)
_OBJECT: Final = "an object"
_MOST_SHOWN: Final = 60
_MOST_NAMES: Final = 200
"""Characters of the names of features in a message."""


class Expected(NamedTuple):
    """What `sequences` must hold, in the words of an error."""

    features: int
    rows: str
    if_number: str  # what to do where a number stands in place of a list
    if_list: str  # what to do where a list stands in place of a number
    steps: bool  # whether a row may be a list of steps: a version may have other features than the one in production


NUMBERS: Final = Expected(
    features=1,
    rows="rows of numbers, [[...], ...]",
    if_number="Put each row in a list of its own: [[0.0, 0.2]].",
    if_list="Items are plain numbers: [[0.0]], not [[[0.0]]]; the service adds axes.",
    steps=False,
)


def expected_by(manifest: Manifest) -> Expected:
    """What the model expects under its name."""
    names = ", ".join(feature.name for feature in manifest.features)
    names = names if len(names) <= _MOST_NAMES else f"{names[:_MOST_NAMES]} ..."
    features = len(manifest.features)
    if features == 1:
        return NUMBERS._replace(rows=f"rows of numbers ({names}), [[...], ...]", steps=True)
    return Expected(
        features=features,
        rows=f"rows of steps of {features} numbers ({names}), [[[...], ...], ...]",
        if_number="Put each step in a list of its own: [[[0.0, 0.2]]].",
        if_list="A row is a list of steps, and a step is a list of plain numbers.",
        steps=True,
    )


def spelled(content: bytes, place: int) -> str:
    """The value that begins at `place`, as the request spells it, cut short; of an object only its kind."""
    if content[place : place + 1] == b"{":
        return _OBJECT
    found = _VALUE.match(content, place, place + _MOST_SHOWN + 1)
    return cut(found[0] if found else content[place : place + _MOST_SHOWN + 1])


def cut(content: bytes) -> str:
    shown = content if len(content) <= _MOST_SHOWN else content[: _MOST_SHOWN - 3] + b"..."
    return shown.decode(errors="replace")


def not_json(slip: Slip, expected: Expected) -> NotJSON:
    rows = "[[0.1, 0.2]]" if expected.features == 1 else "[[[...], ...], ...]"
    return NotJSON(f'expected a JSON object {{"sequences": {rows}}}; received {slip.received}. {slip.hint}'.rstrip())


def wrong_fields(reason: str, body: bytes) -> InvalidRequest:
    """`reason` is msgspec's, about the body as a whole."""
    if "missing required field" in reason:
        return _invalid(FIELDS, "none named sequences", 'Name the rows: {"sequences": [[0.1, 0.2]]}.')
    if "unknown field" in reason:
        name = reason.partition("`")[2].rpartition("`")[0]
        return _invalid(FIELDS, f"a field {_shown(name)}", _other_name(name, b'"sequences"' in body))
    content = body.strip()
    return _invalid('an object {"sequences": [[...], ...]}', cut(content), _wrapped(content))


def _other_name(name: str, named: bool) -> str:
    """What to do about a field that there is not. `named`: sequences is there, too."""
    plain = name[:_MOST_SHOWN].lower().replace("-", "_")
    if plain in _OTHER_NAMES and not named:
        return "Name the rows sequences."
    close = get_close_matches(plain, _NAMES, n=1)
    return f"Did you mean {close[0]}?" if close else "Leave it out."


def _wrapped(content: bytes) -> str:
    """What to do about a value of JSON that is no object."""
    if content.startswith(b'"'):
        return "The object is encoded twice. In Python: json=body, or data=json.dumps(body), not both."
    if not content.startswith(b"["):
        return ""
    if content[1:].lstrip(b"[ \t\r\n").startswith(b"{"):
        return f'Put the rows into an object: {{"sequences": [[...], ...]}}. {_UNNAMED}'
    row = content if len(content) <= _MOST_SHOWN else b"[...]"
    rows = row if content[1:].lstrip().startswith(b"[") and row is content else b"[%b]" % row
    return f'Put the rows into an object: {{"sequences": {rows.decode(errors="replace")}}}.'


def wrong_text(field: str, most: int, received: str) -> InvalidRequest:
    return _invalid(f"text of at most {most} characters", f"{received} at {field}")


def wrong_strict(received: str) -> InvalidRequest:
    return _invalid("true or false", f"{received} at strict")


def wrong_rows(rows: Any, value: str, expected: Expected, deep: bool) -> InvalidRequest:
    """The first fault in `rows`. None stands for the one value that is neither a number nor a list, spelled `value`.

    `deep`: each row is a list of steps.
    """
    if not isinstance(rows, list):
        shown = value or _shown(rows)
        return _invalid("a list of rows", f"{shown} at sequences", _list_for(shown))
    kinds = ("a row (a list of steps)", "a step (a list of numbers)") if deep else ("a row (a list of numbers)",)
    if (fault := _first_fault(rows, value, "sequences", expected, kinds)) is None:
        raise AssertionError("nothing is wrong with these rows")
    return fault


def _first_fault(found: list[Any], value: str, path: str, expected: Expected, kinds: tuple[str, ...]) -> InvalidRequest | None:
    """In a list of lists of `kinds`, the outermost first. The innermost have numbers."""
    end = _first_unlike([*map(type, found)], {list})
    lists = found[:end]
    if len(kinds) > 1:
        for number, child in enumerate(lists):
            if (fault := _first_fault(child, value, f"{path}[{number}]", expected, kinds[1:])) is not None:
                return fault
    else:  # all at once: there may be half a million
        types = [*map(type, chain.from_iterable(lists))]
        item = _first_unlike(types, {int, float})
        if item < len(types):
            ends = [*accumulate(map(len, lists))]
            number = bisect_right(ends, item)
            place = item - ends[number] + len(lists[number])
            where = f"{path}[{number}][{place}]"
            if lists[number][place] is None:
                return not_a_number(value, where)
            return wrong_depth(expected, f"a list at {where}", expected.if_list)
    if end == len(found):
        return None
    if found[end] is not None:
        return wrong_depth(expected, f"the number {found[end]} at {path}[{end}]", expected.if_number)
    if _numeric(value):
        return not_a_number(value, f"{path}[{end}]")
    hint = _number_for(value) if value == _OBJECT else _list_for(value)
    return _invalid(kinds[0], f"{value} at {path}[{end}]", hint)


def _first_unlike(types: list[type], kinds: set[type]) -> int:
    """The place of the first that is none of these kinds; the number of all if there is none."""
    return min(map(types.index, {*types} - kinds), default=len(types))


def not_a_number(value: str, path: str) -> InvalidRequest:
    """`value` as the request spells it."""
    if _numeric(value):
        hint = "NaN, Infinity and numbers beyond float32 are refused: fill the item in, or leave its row out."
        return _invalid("finite numbers", f"{value} at {path}", hint)
    return _invalid("a number", f"{value} at {path}", _number_for(value))


def _number_for(value: str) -> str:
    """What to write in place of a value that is no number."""
    if value == "null":
        return "No model takes a missing value: fill it in, or leave its row out."
    if value in ("true", "false"):
        return "Write 1 or 0."
    if value == _OBJECT:
        return _UNNAMED
    text = value.strip('"')
    with suppress(ValueError):
        if isfinite(float(text)):
            return f"Write {text}, without quotes."
    return "A row has numbers only, and none may be missing."


def _list_for(value: str) -> str:
    """What to write in place of a value that is no list of rows."""
    if value == _OBJECT:
        return "Of a DataFrame send the rows without names: frame.to_numpy().tolist()."
    return "Leave the quotes around the list out." if value.startswith('"[') else ""


def not_finite(rows: Rows, sequences: list[list[Any]]) -> InvalidRequest:
    item, feature = map(int, np.argwhere(~np.isfinite(rows.values))[0])
    row = int(np.searchsorted(rows.starts, item, side="right")) - 1
    place = item - int(rows.starts[row])
    found, path = sequences[row][place], f"sequences[{row}][{place}]"
    if isinstance(found, list):
        found, path = found[feature], f"{path}[{feature}]"
    return _invalid("numbers that are finite as float32 (up to 3.4e38)", f"{_shown(found)} at {path}")


def check_counts(rows: int, items: int, max_rows: float, max_items: float) -> None:
    """Raise TooManyValues for more rows or items than a request may have."""
    for what, received, most in (("rows", rows, max_rows), ("items", items, max_items)):
        if received > most:
            detail = f"expected at most {most} {what} in one request; received {received}. Send several requests."
            raise TooManyValues(detail, expected=most, received=received)


def wrong_depth(expected: Expected, received: str, hint: str = "") -> InvalidRequest:
    return _invalid(expected.rows, received, hint)


def wrong_width(expected: Expected, width: int, path: str) -> InvalidRequest:
    """`path`: of the first step of another width."""
    return _invalid(
        expected.rows, f"a step of {width} number{'s' * (width != 1)} at {path}", "All steps have the same numbers."
    )


def _invalid(expected: str, received: str, hint: str = "") -> InvalidRequest:
    detail = f"expected {expected}; received {received}. {hint}".rstrip()
    return InvalidRequest(detail, expected=expected, received=received, hint=hint)


def _numeric(value: str) -> bool:
    return value[:1].isdigit() or value.startswith(("-", "NaN", "Infinity"))


def _shown(value: Any) -> str:
    return cut(json.dumps(value).encode())
