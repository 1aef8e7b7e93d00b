"""The native protocol: `POST /<topology>` with `{"sequences": [[...], ...]}`, errors as RFC 9457.

A body is read by msgspec straight into lists of numbers and written by orjson straight from arrays; only a body that
does not fit is read again, by pydantic, to say what is wrong with it.
"""

from functools import lru_cache, partial
from math import isfinite
from typing import Annotated

import msgspec
import numpy as np
import orjson

from contract.topologies import TOPOLOGY_NAMES, Rows, TopologyName
from service.engine.engine import Echo, Engine
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols import native_faults
from service.protocols.problem import render_error
from service.protocols.schemas import Prediction, PredictionRequest
from service.request_context import Caller
from service.telemetry.metric_buffer import metric_buffer


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    sequences: list[list[float]]
    model_version: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    routing_key: Annotated[str, msgspec.Meta(max_length=200)] | None = None


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
        metric_buffer.flush_soon()  # which the transport sees to for those over HTTP
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
            raise native_faults.too_many("rows", self._max_rows, len(rows.lengths))
        if len(rows.values) > self._max_items:
            raise native_faults.too_many("items", self._max_items, len(rows.values))
        # The dot product is infinite or NaN if any value is, and costs a third of looking at each.
        if not isfinite(rows.values.dot(rows.values)) and not np.isfinite(rows.values).all():
            raise native_faults.not_finite(rows, sequences)
        return rows


def parse(body: bytes) -> _Body | PredictionRequest:
    """A request's body. Raises NotJSON or InvalidRequest, which say what is wrong with it."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return native_faults.read_again(body)


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
