"""Reads a body of the native protocol thoroughly: a large one, or one that the fast reader of `native.py` refused.

The time depends on the body's size only. Reading ends at the first fault, and no unknown field is kept.
msgspec finds the fields, orjson reads the numbers: msgspec takes 6 us for a number such as 4.9e-324, two seconds for a body of
8 MB.
"""

import asyncio
import contextlib
import json
import math
import re
from itertools import chain
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
import numpy as np
import orjson

from contract.rows import Floats, Rows
from service.errors import InvalidRequest, NotJSON, UnrollError
from service.protocols import native_faults, native_slips
from service.protocols.native_faults import NUMBERS, Expected
from service.protocols.native_layout import Layout, count_rows, find_layout

PART_BYTES: Final = 2**16
"""So much is read at a time: what is read stays in the processor's cache, and 500,000 numbers take 20 ms instead of 27."""
PARTS: Final = 4
"""So many parts are read in a turn of the event loop. They take 1 to 2 ms."""
_NULL: Final = msgspec.Raw(b"null")
_FALSE: Final = msgspec.Raw(b"false")
Sequences = TypeVar("Sequences")
Numbers = list[list[float]]
Steps = list[list[list[float]]]


class Body(msgspec.Struct, Generic[Sequences], forbid_unknown_fields=True):
    sequences: Sequences
    model_version: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    routing_key: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    strict: bool = False


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    sequences: msgspec.Raw
    model_version: msgspec.Raw = _NULL
    routing_key: msgspec.Raw = _NULL
    strict: msgspec.Raw = _FALSE


_fields: Final = msgspec.json.Decoder(_Fields).decode
_text: Final = msgspec.json.Decoder(str | None).decode
_PLACE: Final = re.compile(r"invalid character \(byte (\d+)\)")
_BRACE: Final = re.compile(rb"\s*{")
_NOT_FINITE: Final = re.compile(rb"NaN|Infinity")
_FIRST: Final = re.compile(rb"\s*\[\s*\[\s*([\[\]]?)")
_NOT_NUMBERS: Final = b'"', b"{", b"n", b"t", b"f"
"""How each value of JSON begins that is no number and no list. Where none of them is, there are only numbers and lists."""


def read(body: bytes, expected: Expected = NUMBERS, max_rows: float = math.inf, max_items: float = math.inf) -> Body[Any]:
    """Raises NotJSON, InvalidRequest or TooManyValues, which say what is wrong with the body."""
    fields = _split(body, expected, max_rows, max_items)
    content = bytes(fields.sequences)
    deep = _is_deep(content, expected)
    _check_counts(content, deep, max_rows, max_items)
    return Body(_sequences(content, expected, deep), *_others(fields))


async def read_in_turns(
    body: bytes, expected: Expected, max_rows: float, max_items: float
) -> tuple[Rows, str | None, str | None, bool]:
    """As `read`, but straight into an array, a part of the body in each turn of the event loop. A wrong body takes one turn."""
    fields = _split(body, expected, max_rows, max_items)
    await asyncio.sleep(0)
    content, others = bytes(fields.sequences), _others(fields)
    deep = _is_deep(content, expected)
    del body, fields
    _check_counts(content, deep, max_rows, max_items)
    layout = None if any(mark in content for mark in _NOT_NUMBERS) else find_layout(content, deep)
    values = None if layout is None else await _values(content, layout)
    if layout is None or values is None or len(values) != layout.numbers:  # something is wrong
        return rows_of(_sequences(content, expected, deep), expected), *others
    width = 1 if layout.widths is None else _width(layout, expected)
    return Rows(values.reshape(-1, width), layout.lengths), *others


def rows_of(sequences: list[list[Any]], expected: Expected) -> Rows:
    """Rows of numbers or of steps. Numbers beyond float32 become infinite. Raises InvalidRequest for steps of another width."""
    first = next(chain.from_iterable(sequences), None)
    if first is None:
        return Rows(np.empty((0, expected.features), np.float32), [0] * len(sequences))
    if not isinstance(first, list):
        return Rows.of(sequences)
    steps = [*chain.from_iterable(sequences)]
    layout = Layout([*map(len, sequences)], [*map(len, steps)])
    width = _width(layout, expected)
    values = np.fromiter(chain.from_iterable(steps), np.float32, len(steps) * width)
    return Rows(values.reshape(-1, width), layout.lengths)


def _width(layout: Layout, expected: Expected) -> int:
    """The numbers in each step. Raises InvalidRequest unless all steps have as many, and more than one."""
    widths = layout.widths or []
    width = widths[0]
    if widths.count(width) != len(widths):
        wanted = expected.features if expected.features > 1 else width
        odd = next(step for step, numbers in enumerate(widths) if numbers != wanted)
        raise native_faults.wrong_width(expected, widths[odd], layout.path_of_step(odd))
    if width < 2:
        raise native_faults.wrong_depth(expected, "steps of one number" if width else "empty steps", expected.if_list)
    return width


def _is_deep(content: bytes, expected: Expected) -> bool:
    """Whether a row is a list of steps, by the first row. An empty row is taken for what the model expects."""
    first = _FIRST.match(content)
    if not expected.steps or first is None:
        return False
    return first[1] == b"[" or (first[1] == b"]" and expected.features > 1)


async def _values(content: bytes, layout: Layout) -> Floats | None:
    """All numbers in rows of numbers, end to end. None: a list is empty. Raises InvalidRequest."""
    await asyncio.sleep(0)
    numbers = content.translate(None, b"[]")  # with commas between them
    parts = list[Floats]()
    begin = 0
    while begin < len(numbers):
        if len(parts) % PARTS == 0:
            await asyncio.sleep(0)
        end = numbers.find(b",", begin + PART_BYTES)
        end = end if end >= 0 else len(numbers)
        try:
            part = orjson.loads(b"[%b]" % numbers[begin:end])
        except orjson.JSONDecodeError as error:
            if "infinity" not in str(error):
                return None
            place = begin + error.pos - 1
            path = layout.path(sum(map(len, parts)) + numbers.count(b",", begin, place))
            raise native_faults.not_a_number(native_faults.spelled(numbers, place), path) from None
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite
            parts.append(np.fromiter(part, np.float32, len(part)))
        begin = end + 1
    return np.concatenate(parts) if parts else None


def _split(body: bytes, expected: Expected, max_rows: float, max_items: float) -> _Fields:
    if not body:
        raise native_faults.not_json(native_slips.EMPTY, expected)
    if not _BRACE.match(body) and (slip := native_slips.by_start(body)) is not None:
        raise native_faults.not_json(slip, expected)
    try:
        return _fields(body)
    except RecursionError:
        raise native_faults.wrong_depth(expected, "hundreds of nested lists") from None
    except msgspec.ValidationError as error:
        raise native_faults.wrong_fields(str(error), body) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise _not_json(body, str(error), expected, max_rows, max_items) from error


def _sequences(content: bytes, expected: Expected, deep: bool) -> list[list[Any]]:
    """`content` is valid JSON, but for bytes within texts that are not UTF-8."""
    places = [place for place in map(content.find, _NOT_NUMBERS) if place >= 0]
    if places:
        raise _fault(content, min(places), expected, deep)
    try:
        rows: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _fault(content, error.pos, expected, deep) from None
    if not _are_rows(rows, content.count(b"["), deep):
        raise native_faults.wrong_rows(rows, "", expected, deep)
    lists: list[list[Any]] = rows
    return lists


def _are_rows(rows: Any, lists: int, deep: bool) -> bool:
    """Whether numbers and `lists` lists are rows of numbers, or, if `deep`, of steps of numbers."""
    if not isinstance(rows, list) or any(type(row) is not list for row in rows):
        return False
    steps = [*chain.from_iterable(rows)] if deep else []
    return lists == 1 + len(rows) + len(steps) and all(type(step) is list for step in steps)


def _check_counts(content: bytes, deep: bool, max_rows: float, max_items: float) -> None:
    """Before a number is read. An empty list counts as an item, too."""
    items = content.count(b",") + 1
    rows = count_rows(content, deep) if items <= max_items or not deep else 0  # too many items have no need of their rows
    native_faults.check_counts(rows, items, max_rows, max_items)


def _fault(content: bytes, place: int, expected: Expected, deep: bool) -> InvalidRequest:
    """The fault of a value at `place` that is no number, or one before it."""
    depth = content.count(b"[", 0, place) - content.count(b"]", 0, place)
    value = native_faults.spelled(content, place)
    layout = find_layout(content, deep, place) if depth == 2 + deep else None
    if layout is not None:
        return native_faults.not_a_number(value, layout.path(layout.numbers - 1))
    try:
        rows = orjson.loads(b"%bnull%b" % (content[:place], b"]" * depth))
        return native_faults.wrong_rows(rows, value, expected, deep)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):  # deeper than orjson goes
            return native_faults.wrong_depth(expected, "hundreds of nested lists")
        return _fault(content, error.pos, expected, deep)  # a number beyond float64


def _not_json(body: bytes, reason: str, expected: Expected, max_rows: float, max_items: float) -> UnrollError:
    """NaN and Infinity are not JSON, but a known slip. So are other encodings."""
    if (encoding := json.detect_encoding(body)) != "utf-8":
        received = "a byte order mark" if encoding == "utf-8-sig" else encoding.upper()
        return NotJSON(f"expected JSON in UTF-8, without a byte order mark; received {received}. Encode the text as UTF-8.")
    found = _PLACE.search(reason)
    place = int(found[1]) if found else 0
    if not found or not _NOT_FINITE.match(body, place):
        return native_faults.not_json(native_slips.by_fault(body, reason), expected)
    place -= body[place - 1 : place] == b"-"
    name = body.rfind(b'"sequences"', 0, place)
    begin = body.find(b"[", max(name, 0), place)
    if name < 0 or begin < 0 or body.find(b'"', begin, place) >= 0:  # it is in another field, or after another fault
        return native_faults.not_a_number(native_faults.spelled(body, place), f"byte {place}")
    deep = _is_deep(body[begin:place], expected)
    _check_counts(body[begin:place], deep, max_rows, max_items)
    return _fault(body[begin:], place - begin, expected, deep)


def _others(fields: _Fields) -> tuple[str | None, str | None, bool]:
    """The version or alias, the routing key, and whether the request is strict."""
    strict = bytes(fields.strict)
    if strict not in (b"true", b"false"):
        raise native_faults.wrong_strict(native_faults.spelled(strict, 0))
    wanted, key = _name("model_version", fields.model_version, 100), _name("routing_key", fields.routing_key, 200)
    return wanted, key, strict == b"true"


def _name(field: str, content: msgspec.Raw, most: int) -> str | None:
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        text: str | None = _text(content)
        if text is None or len(text) <= most:
            return text
    raise native_faults.wrong_text(field, most, native_faults.cut(bytes(content)))
