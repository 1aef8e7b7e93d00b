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
from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import orjson

from contract.rows import Floats, Rows
from service.errors import InvalidRequest, NotJSON, UnrollError
from service.protocols import native_faults

PART_BYTES: Final = 2**16
"""So much is read at a time: what is read stays in the processor's cache, and 500,000 numbers take 20 ms instead of 27."""
PARTS: Final = 4
"""So many parts are read in a turn of the event loop. They take 1 to 2 ms."""
_NULL: Final = msgspec.Raw(b"null")


class Body(msgspec.Struct, forbid_unknown_fields=True):
    sequences: list[list[float]]
    model_version: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    routing_key: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    sequences: msgspec.Raw
    model_version: msgspec.Raw = _NULL
    routing_key: msgspec.Raw = _NULL


_fields: Final = msgspec.json.Decoder(_Fields).decode
_text: Final = msgspec.json.Decoder(str | None).decode
_PLACE: Final = re.compile(r"invalid character \(byte (\d+)\)")
_NOT_FINITE: Final = re.compile(rb"NaN|Infinity")
_NOT_NUMBERS: Final = b'"', b"{", b"n", b"t", b"f"
"""How each value of JSON begins that is no number and no list. Where none of them is, there are only numbers and lists."""


def read(body: bytes, max_rows: float = math.inf, max_items: float = math.inf) -> Body:
    """Raises NotJSON, InvalidRequest or TooManyValues, which say what is wrong with the body."""
    fields = _split(body, max_rows, max_items)
    content = bytes(fields.sequences)
    _check_counts(content, max_rows, max_items)
    return Body(_sequences(content), *_names(fields))


async def read_in_turns(body: bytes, max_rows: float, max_items: float) -> tuple[Rows, str | None, str | None]:
    """As `read`, but straight into an array, a part of the body in each turn of the event loop. A wrong body takes one turn."""
    fields = _split(body, max_rows, max_items)
    await asyncio.sleep(0)
    content, names = bytes(fields.sequences), _names(fields)
    del body, fields
    _check_counts(content, max_rows, max_items)
    lengths = None if any(mark in content for mark in _NOT_NUMBERS) else _lengths(content)
    values = None if lengths is None else await _values(content, lengths)
    if lengths is None or values is None or len(values) != sum(lengths):  # something is wrong
        return Rows.of(_sequences(content)), *names
    return Rows(values, lengths), *names


def _lengths(content: bytes, end: int = -1) -> list[int] | None:
    """The numbers in each row, where `content` is rows of numbers; an empty row counts as one. None: it is something else.

    If `end` is given, `content` ends there, within a row.
    """
    marks = np.frombuffer(content, np.uint8, end)
    commas, opens, closes = (np.flatnonzero(marks == ord(mark)) for mark in ",[]")
    opens, closes = opens[1:], closes[:-1] if end < 0 else np.append(closes, end)
    if not len(opens) or (closes < opens).any() or (opens[1:] < closes[:-1]).any():
        return None
    lengths = np.searchsorted(commas, closes) - np.searchsorted(commas, opens) + 1
    return lengths.tolist() if lengths.sum() == len(commas) + 1 else None  # else there are numbers between rows


async def _values(content: bytes, lengths: list[int]) -> Floats | None:
    """All numbers in rows of numbers, end to end. None: a row is empty. Raises InvalidRequest."""
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
            item, ends = sum(map(len, parts)) + numbers.count(b",", begin, place), [*accumulate(lengths)]
            row = bisect_right(ends, item)
            path = f"sequences[{row}][{item - ends[row] + lengths[row]}]"
            raise native_faults.not_a_number(native_faults.spelled(numbers, place), path) from None
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite
            parts.append(np.fromiter(part, np.float32, len(part)))
        begin = end + 1
    return np.concatenate(parts)


def _split(body: bytes, max_rows: float, max_items: float) -> _Fields:
    if not body:
        raise NotJSON('expected a JSON object such as {"sequences": [[0.0, 0.2]]}; received an empty body.')
    try:
        return _fields(body)
    except RecursionError:
        raise native_faults.wrong_depth("hundreds of nested lists") from None
    except msgspec.ValidationError as error:
        raise native_faults.wrong_fields(str(error), body) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise _not_json(body, str(error), max_rows, max_items) from error


def _sequences(content: bytes) -> list[list[float]]:
    """`content` is valid JSON, but for bytes within texts that are not UTF-8."""
    places = [place for place in map(content.find, _NOT_NUMBERS) if place >= 0]
    if places:
        raise _fault(content, min(places))
    try:
        rows: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _fault(content, error.pos) from None
    if not isinstance(rows, list) or content.count(b"[") != 1 + len(rows) or any(type(row) is not list for row in rows):
        raise native_faults.wrong_rows(rows, "")
    return rows


def _check_counts(content: bytes, max_rows: float, max_items: float) -> None:
    """Before a number is read. An empty row counts as an item, too."""
    marks = np.frombuffer(content, np.uint8)
    rows, items = int(np.count_nonzero(marks == ord("["))) - 1, int(np.count_nonzero(marks == ord(","))) + 1
    native_faults.check_counts(rows, items, max_rows, max_items)


def _fault(content: bytes, place: int) -> InvalidRequest:
    """The fault of a value at `place` that is no number, or one before it."""
    depth = content.count(b"[", 0, place) - content.count(b"]", 0, place)
    value = native_faults.spelled(content, place)
    lengths = _lengths(content, place) if depth == 2 else None
    if lengths is not None:
        return native_faults.not_a_number(value, f"sequences[{len(lengths) - 1}][{lengths[-1] - 1}]")
    try:
        return native_faults.wrong_rows(orjson.loads(b"%bnull%b" % (content[:place], b"]" * depth)), value)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):  # deeper than orjson goes
            return native_faults.wrong_depth("hundreds of nested lists")
        return _fault(content, error.pos)  # a number beyond float64


def _not_json(body: bytes, reason: str, max_rows: float, max_items: float) -> UnrollError:
    """NaN and Infinity are not JSON, but a known slip. So are other encodings."""
    if (encoding := json.detect_encoding(body)) != "utf-8":
        received = "a byte order mark" if encoding == "utf-8-sig" else encoding.upper()
        return NotJSON(f"expected JSON in UTF-8, without a byte order mark; received {received}. Encode the text as UTF-8.")
    found = _PLACE.search(reason)
    place = int(found[1]) if found else 0
    if not found or not _NOT_FINITE.match(body, place):
        return NotJSON(f"expected a JSON object; received something else: {reason}.")
    place -= body[place - 1 : place] == b"-"
    name = body.rfind(b'"sequences"', 0, place)
    begin = body.find(b"[", max(name, 0), place)
    if name < 0 or begin < 0 or body.find(b'"', begin, place) >= 0:  # it is in another field, or after another fault
        return native_faults.not_a_number(native_faults.spelled(body, place), f"byte {place}")
    _check_counts(body[begin:place], max_rows, max_items)
    return _fault(body[begin:], place - begin)


def _names(fields: _Fields) -> tuple[str | None, str | None]:
    return _name("model_version", fields.model_version, 100), _name("routing_key", fields.routing_key, 200)


def _name(field: str, content: msgspec.Raw, most: int) -> str | None:
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        text: str | None = _text(content)
        if text is None or len(text) <= most:
            return text
    raise native_faults.wrong_text(field, most, native_faults.cut(bytes(content)))
