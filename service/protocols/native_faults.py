"""Says what is wrong with a request of the native protocol: expected, received, likely slip."""

import json
from typing import Any

import numpy as np
from pydantic import ValidationError

from contract.rows import Rows
from service.errors import InvalidRequest, NotJSON, TooManyValues
from service.protocols.schemas import PredictionRequest

FIELDS = "the field sequences, and optionally model_version and routing_key"


def read_again(body: bytes) -> PredictionRequest:
    """Read a body that the fast reader refused. Raises NotJSON or InvalidRequest, unless pydantic finds nothing wrong."""
    if not body:
        raise NotJSON('expected a JSON object such as {"sequences": [[0.0, 0.2]]}; received an empty body.')
    if (encoding := json.detect_encoding(body)) != "utf-8":  # which json.loads would read
        received = "a byte order mark" if encoding == "utf-8-sig" else encoding.upper()
        raise NotJSON(f"expected JSON in UTF-8, without a byte order mark; received {received}. Encode the text as UTF-8.")
    try:
        document = json.loads(body)  # accepts NaN and Infinity, which are not JSON but a known slip
    except RecursionError:
        raise _wrong_depth("hundreds of nested lists") from None
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):
            raise _invalid("finite numbers", "a number with thousands of digits") from error
        raise NotJSON(f"expected a JSON object; received something else: {error}.") from error
    try:
        return PredictionRequest.model_validate(document)
    except ValidationError as error:
        raise _explain(error, document) from error


def _explain(error: ValidationError, document: Any) -> InvalidRequest:
    fault = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    value, received = fault["input"], f"{_shown(fault['input'])} at {path}"
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if fault["loc"][:1] in (("model_version",), ("routing_key",)):
        most = 100 if path == "model_version" else 200
        return _invalid(f"text of at most {most} characters", received)
    match fault["type"]:
        case "model_type":
            return _invalid('an object {"sequences": [[...], ...]}', _shown(value))
        case "missing" | "extra_forbidden" | "invalid_key" | "string_unicode":
            named = fault["type"] in ("missing", "extra_forbidden")
            received = (_shown(sorted(document)) if document else "none") if named else "a name that is not text"
            return _invalid(FIELDS, received, "Is the name spelled right?" if named else "")
        case "too_short":
            return _invalid("at least one row" if path == "sequences" else "at least one item in each row", f"none at {path}")
        case "list_type" if numeric and path != "sequences":
            return _wrong_depth(f"the number {received}", "Put each row in a list of its own: [[0.0, 0.2]].")
        case "list_type":
            return _invalid("a list of rows" if path == "sequences" else "a row (a list of numbers)", received)
        case "float_type" if isinstance(value, list):
            return _wrong_depth(f"a list at {path}", "Items are plain numbers: [[0.0]], not [[[0.0]]]; the service adds axes.")
        case _ if numeric:
            return _invalid("finite numbers", received, "NaN, Infinity and numbers beyond float32 are refused.")
    return _invalid("a number", received)


def not_finite(rows: Rows, sequences: list[list[float]]) -> InvalidRequest:
    item = int(np.flatnonzero(~np.isfinite(rows.values))[0])
    row = int(np.searchsorted(rows.starts, item, side="right")) - 1
    place = item - int(rows.starts[row])
    received = f"{_shown(sequences[row][place])} at sequences[{row}][{place}]"
    return _invalid("numbers that are finite as float32 (up to 3.4e38)", received)


def too_many(what: str, most: int, received: int) -> TooManyValues:
    detail = f"expected at most {most} {what} in one request; received {received}. Send several requests."
    return TooManyValues(detail, expected=most, received=received)


def _wrong_depth(received: str, hint: str = "") -> InvalidRequest:
    return _invalid("rows of numbers, [[...], ...]", received, hint)


def _invalid(expected: str, received: str, hint: str = "") -> InvalidRequest:
    detail = f"expected {expected}; received {received}. {hint}".rstrip()
    return InvalidRequest(detail, expected=expected, received=received, hint=hint)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
