"""The native protocol: `POST /<topology>` with `{"sequences": [[...], ...]}`, errors as RFC 9457.

msgspec reads a body straight into lists of numbers, and orjson writes an answer straight from arrays. `native_faults` reads a
body that msgspec refuses once more, to say what is wrong with it.
"""

from functools import partial
from math import isfinite
from typing import Annotated

import msgspec
import numpy as np
import orjson

from contract.rows import Rows
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from service.engine.engine import Engine, Predicted
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
        """The same as a request, for calls inside the process."""
        rows = self._rows(asked.sequences)
        predicted = await self._engine.predict(topology, rows, Caller(), asked.model_version, asked.routing_key)
        metric_buffer.flush_soon()  # for requests over HTTP the transport does this
        return Prediction.model_validate_json(render(predicted))

    async def _predict(self, topology: TopologyName, request: Request) -> Response:
        rows, wanted, routing_key = self._asked(request.body)
        caller = request.caller
        del request  # frees the body while the model runs
        predicted = await self._engine.predict(topology, rows, caller, wanted, routing_key)
        return Response(render(predicted))

    def _asked(self, body: bytes) -> tuple[Rows, str | None, str | None]:
        """The rows, the version or alias, and the routing key in a body.

        The parsed lists are freed here, while they are in the processor's cache: later, a thousand rows took 0.3 ms to free.
        """
        asked = parse(body)
        return self._rows(asked.sequences), asked.model_version, asked.routing_key

    def _rows(self, sequences: list[list[float]]) -> Rows:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
            rows = Rows.of(sequences)
        if len(rows.lengths) > self._max_rows:
            raise native_faults.too_many("rows", self._max_rows, len(rows.lengths))
        if len(rows.values) > self._max_items:
            raise native_faults.too_many("items", self._max_items, len(rows.values))
        # The dot product is infinite or NaN if any value is, and costs a third of checking each value.
        if not isfinite(rows.values.dot(rows.values)) and not np.isfinite(rows.values).all():
            raise native_faults.not_finite(rows, sequences)
        return rows


def parse(body: bytes) -> _Body | PredictionRequest:
    """Read a request's body. Raises NotJSON or InvalidRequest, which say what is wrong with it."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return native_faults.read_again(body)


def render(predicted: Predicted) -> bytes:
    """A Prediction as JSON, with the fewest digits that give back each float32 value."""
    rows, manifest = predicted.rows, predicted.model.manifest
    values = predicted.values.reshape(-1, rows.uniform) if rows.uniform else rows.split(predicted.values)
    model_input, model_output = predicted.model.topology.shapes(rows)
    answer = {
        "topology": manifest.topology,
        "model": manifest.name,
        "version": manifest.version,
        "sequences": values,
        "model_input_shape": model_input,
        "model_output_shape": model_output,
        "in_domain": predicted.in_domain,
    }
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
