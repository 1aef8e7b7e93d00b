"""The native protocol: `POST /<topology>` with `{"sequences": [[...], ...]}`, errors as RFC 9457.

A body is read by msgspec straight into lists of numbers and written by orjson straight from arrays; only a body that
does not fit is read again, by pydantic, to say what is wrong with it.
"""

import json
from functools import lru_cache, partial
from math import isfinite
from typing import Annotated, Any

import msgspec
import numpy as np
import orjson
from pydantic import ValidationError

from contract.topologies import TOPOLOGY_NAMES, Rows, TopologyName
from service.engine.engine import Echo, Engine
from service.errors import InvalidRequest, NotJSON, TooManyValues, UnrollError
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.schemas import Prediction, PredictionRequest, Problem
from service.request_context import Caller
from service.telemetry.metric_buffer import tallies


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    sequences: list[list[float]]
    model_version: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    routing_key: Annotated[str, msgspec.Meta(max_length=200)] | None = None


FIELDS = "the field sequences, and perhaps model_version and routing_key"
_decode = msgspec.json.Decoder(_Body).decode


class Native:
    def __init__(self, engine: Engine, max_rows: int, max_items: int) -> None:
        self._engine = engine
        self._max_rows, self._max_items = max_rows, max_items

    @property
    def routes(self) -> list[Route]:
        return [Route(f"/{name}", "POST", partial(self._predict, name), render_error) for name in TOPOLOGY_NAMES]

    async def predict(self, topology: TopologyName, asked: PredictionRequest) -> Prediction:
        """The same, for callers inside the process."""
        rows = self._rows(asked.sequences)
        echo = await self._engine.predict(topology, rows, Caller(), asked.model_version, asked.routing_key)
        tallies.soon()  # which the transport sees to for those over HTTP
        return Prediction.model_validate_json(render(echo))

    async def _predict(self, topology: TopologyName, request: Request) -> Response:
        rows, wanted, routing_key = self._asked(request.body)
        caller = request.caller
        del request  # and the body, which nobody needs any more
        echo = await self._engine.predict(topology, rows, caller, wanted, routing_key)
        return Response(render(echo))

    def _asked(self, body: bytes) -> tuple[Rows, str | None, str | None]:
        """Of a request's body what is needed from here on. The lists that its numbers were read into are let go at once, while
        they are in the processor's cache: kept until the answer, a thousand rows took 0.3 ms to free."""
        asked = parse(body)
        return self._rows(asked.sequences), asked.model_version, asked.routing_key

    def _rows(self, sequences: list[list[float]]) -> Rows:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is refused below
            rows = Rows.of(sequences)
        if len(rows.lengths) > self._max_rows:
            raise _too_many("rows", self._max_rows, len(rows.lengths))
        if len(rows.values) > self._max_items:
            raise _too_many("items", self._max_items, len(rows.values))
        # The dot product is infinite or NaN if any value is, and costs a third of looking at each.
        if not isfinite(rows.values.dot(rows.values)) and not np.isfinite(rows.values).all():
            raise _not_finite(rows, sequences)
        return rows


def parse(body: bytes) -> _Body | PredictionRequest:
    """A request's body. Raises NotJSON or InvalidRequest, which say what is wrong with it."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _read_again(body)


def render(echo: Echo) -> bytes:
    """A Prediction as JSON; float32 values in as few digits as give them back."""
    rows, uniform, manifest = echo.rows, echo.rows.uniform, echo.model.manifest
    values = echo.values.reshape(-1, uniform) if uniform else rows.split(echo.values)
    shapes = _shapes(*manifest.shape.shapes(rows))
    in_domain = b"[true]" if echo.in_domain == [True] else orjson.dumps(echo.in_domain)
    sequences = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((_head(manifest.topology, manifest.name, manifest.version), sequences, shapes, in_domain, b"}"))


@lru_cache(maxsize=4096)  # of the shapes that requests have, most are few
def _shapes(model_input: tuple[int, ...], model_output: tuple[int, ...]) -> bytes:
    names = b',"model_input_shape":%b,"model_output_shape":%b,"in_domain":'
    return names % (orjson.dumps(model_input), orjson.dumps(model_output))


@lru_cache(maxsize=64)  # of the versions that answer
def _head(topology: str, name: str, version: str) -> bytes:
    """The part of an answer that is the same for all answers of a version."""
    return orjson.dumps({"topology": topology, "model": name, "version": version})[:-1] + b',"sequences":'


def render_error(error: UnrollError) -> Response:
    """RFC 9457, the problem's own facts beside the standard members."""
    problem = Problem(type=error.type, title=error.title, status=error.status, detail=error.detail, **error.extra)
    headers = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items())
    return Response(problem.model_dump_json().encode(), error.status, b"application/problem+json", headers)


def _read_again(body: bytes) -> PredictionRequest:
    """What the fast reader refused: the reason why, or the rows after all, should pydantic find nothing wrong."""
    if not body:
        raise NotJSON('expected a JSON object such as {"sequences": [[0.0, 0.2]]}; received an empty body.')
    try:
        document = json.loads(body)  # takes NaN and Infinity too, which are not JSON but a known slip
    except RecursionError:
        raise _wrong_depth("hundreds of lists, one in another") from None
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):
            raise _invalid("finite numbers", "one of thousands of digits") from error
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
            return _invalid(FIELDS, received, "Is the name spelt right?" if named else "")
        case "too_short":
            return _invalid("at least one row" if path == "sequences" else "at least one item in each row", f"none at {path}")
        case "list_type" if numeric and path != "sequences":
            return _wrong_depth(f"the number {received}", "Put each row in a list of its own: [[0.0, 0.2]].")
        case "list_type":
            return _invalid("a list of rows" if path == "sequences" else "a row (a list of numbers)", received)
        case "float_type" if isinstance(value, list):
            return _wrong_depth(f"a list at {path}", "Items are plain numbers: [[0.0]], not [[[0.0]]]; the service adds axes.")
        case _ if numeric:
            return _invalid("finite numbers", received, "NaN, Infinity and numbers beyond float32 cannot be echoed.")
    return _invalid("a number", received)


def _not_finite(rows: Rows, sequences: list[list[float]]) -> InvalidRequest:
    item = int(np.flatnonzero(~np.isfinite(rows.values))[0])
    row = int(np.searchsorted(rows.starts, item, side="right")) - 1
    place = item - int(rows.starts[row])
    received = f"{_shown(sequences[row][place])} at sequences[{row}][{place}]"
    return _invalid("numbers that are finite as float32 (up to 3.4e38)", received)


def _too_many(what: str, most: int, received: int) -> TooManyValues:
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
