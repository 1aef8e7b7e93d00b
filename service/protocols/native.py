"""The native protocol: `POST /<topology>` with `{"sequences": [[...], ...]}`, errors as RFC 9457.

msgspec reads a body straight into lists of numbers, and orjson writes an answer straight from arrays. `native_reader` reads
large bodies, and those that msgspec refuses, to say what is wrong with them.
"""

import asyncio
from functools import partial
from math import inf
from typing import Final

import msgspec
import numpy as np
import orjson

from contract.rows import Rows, all_finite
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from service.engine.engine import Engine, Predicted
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols import native_faults
from service.protocols.native_reader import Body, read, read_in_turns
from service.protocols.problem import render_error
from service.protocols.schemas import Prediction, PredictionRequest
from service.request_context import Caller
from service.telemetry.metric_buffer import metric_buffer

_decode: Final = msgspec.json.Decoder(Body).decode
LARGE_BYTES: Final = 2**16
"""A larger body is read by `native_reader`: it takes 1.5 times msgspec's time, and never a hundred times."""
LONG_BYTES: Final = 2**18
"""A longer body is read in many turns of the event loop, and only one at a time."""
TURNS: Final = 6
"""A small request is answered within so many turns of the event loop. They pass before the next long body is read."""


class Native:
    def __init__(self, engine: Engine, max_rows: int, max_items: int) -> None:
        self._engine = engine
        self._max_rows, self._max_items = max_rows, max_items
        self._long = asyncio.Lock()

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
        body, caller = request.body, request.caller
        asked = self._asked(body) if len(body) <= LONG_BYTES else await self._asked_in_turns(body)
        rows, wanted, routing_key = asked
        del request, body  # frees the body while the model runs
        predicted = await self._engine.predict(topology, rows, caller, wanted, routing_key)
        return Response(render(predicted))

    async def _asked_in_turns(self, body: bytes) -> tuple[Rows, str | None, str | None]:
        async with self._long:
            try:
                rows, wanted, routing_key = await read_in_turns(body, self._max_rows, self._max_items)
                if not all_finite(rows.values):
                    raise native_faults.not_finite(rows, read(body).sequences)
                return rows, wanted, routing_key
            finally:
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    def _asked(self, body: bytes) -> tuple[Rows, str | None, str | None]:
        """The rows, the version or alias, and the routing key in a body.

        The parsed lists are freed here, while they are in the processor's cache: later, a thousand rows took 0.3 ms to free.
        """
        asked = parse(body, self._max_rows, self._max_items)
        return self._rows(asked.sequences), asked.model_version, asked.routing_key

    def _rows(self, sequences: list[list[float]]) -> Rows:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
            rows = Rows.of(sequences)
        if len(rows.lengths) > self._max_rows or len(rows.values) > self._max_items:
            native_faults.check_counts(len(rows.lengths), len(rows.values), self._max_rows, self._max_items)
        if not all_finite(rows.values):
            raise native_faults.not_finite(rows, sequences)
        return rows


def parse(body: bytes, max_rows: float = inf, max_items: float = inf) -> Body:
    """Read a request's body. Raises NotJSON, InvalidRequest or TooManyValues, which say what is wrong with it."""
    if len(body) <= LARGE_BYTES:
        try:
            return _decode(body)
        except (msgspec.MsgspecError, ValueError):
            pass
    return read(body, max_rows, max_items)


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
