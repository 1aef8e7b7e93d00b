"""The native protocol: `POST /<topology>` with `{"sequences": [[...], ...]}` for the echoes, `POST /models/{name}/predict` for
every model; errors as RFC 9457.

msgspec reads a body straight into lists of numbers, and orjson writes an answer straight from arrays. `native_reader` reads
large bodies, and those that msgspec refuses, to say what is wrong with them.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import orjson

from contract.rows import Rows, all_finite
from contract.topologies import TOPOLOGIES, Topology, TopologyName
from service.engine.engine import Engine, Predicted, echo_name
from service.errors import UnrollError
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols import native_faults
from service.protocols.native_answers import render_named
from service.protocols.native_examples import example
from service.protocols.native_faults import NUMBERS, Expected, expected_by
from service.protocols.native_reader import Body, Numbers, Steps, read, read_in_turns, rows_of
from service.protocols.problem import render_error
from service.protocols.schemas import Prediction, PredictionRequest
from service.request_context import Caller
from service.telemetry.metric_buffer import metric_buffer

Asked = tuple[Rows, str | None, str | None, bool]
"""The rows, the version or alias, the routing key, and whether the request is strict."""
_decode: Final = msgspec.json.Decoder(Body[Numbers]).decode
_decode_steps: Final = msgspec.json.Decoder(Body[Steps]).decode
LARGE_BYTES: Final = 2**16
"""A larger body is read by `native_reader`: it takes 1.5 times msgspec's time, and never a hundred times."""
LONG_BYTES: Final = 2**18
"""A longer body is read in many turns of the event loop, and only one at a time."""
NAMED: Final = "/models/{name}/predict"
TURNS: Final = 6
"""A small request is answered within so many turns of the event loop. They pass before the next long body is read."""


class Native:
    def __init__(self, engine: Engine, max_rows: int, max_items: int) -> None:
        self._engine = engine
        self._max_rows, self._max_items = max_rows, max_items
        self._long = asyncio.Lock()
        self._expected: WeakKeyDictionary[object, Expected] = WeakKeyDictionary()  # by model

    @property
    def routes(self) -> list[Route]:
        asked: dict[str, Topology | None] = {**{f"/{name}": each for name, each in TOPOLOGIES.items()}, NAMED: None}
        return [
            Route(path, "POST", partial(self._predict, topology), render_error, example=partial(self._example, topology))
            for path, topology in asked.items()
        ]

    async def predict(self, topology: TopologyName, asked: PredictionRequest) -> Prediction:
        """The same as a request to an echo, for calls inside the process."""
        rows = self._rows(asked.sequences, NUMBERS)
        name = echo_name(TOPOLOGIES[topology], rows)
        predicted = await self._engine.predict(name, rows, Caller(), asked.model_version, asked.routing_key)
        metric_buffer.flush_soon()  # for requests over HTTP the transport does this
        _check_domain(predicted, asked.strict)
        return Prediction.model_validate_json(render(predicted))

    async def _predict(self, topology: Topology | None, request: Request) -> Response:
        """`topology`: an echo's; None: the path names the model."""
        body, caller = request.body, request.caller
        name = request.path.get("name", "")
        expected = NUMBERS if topology is not None else self._expected_by(name)
        asked = self._asked(body, expected) if len(body) <= LONG_BYTES else await self._asked_in_turns(body, expected)
        rows, wanted, routing_key, strict = asked
        del request, body  # frees the body while the model runs
        if topology is not None:
            name = echo_name(topology, rows)
        predicted = await self._engine.predict(name, rows, caller, wanted, routing_key)
        if strict:
            _check_domain(predicted, strict)
        return Response(render(predicted) if topology is not None else render_named(predicted))

    def _example(self, topology: Topology | None, path: Mapping[str, str]) -> dict[str, Any] | None:
        """The body of a request that works; None where no model answers."""
        names = [path["name"]] if topology is None else self._engine.echoes(topology)
        try:
            return example(self._engine.default(names[0]).manifest) if names else None
        except UnrollError:
            return None

    def _expected_by(self, name: str) -> Expected:
        """What the default version of a model expects. Raises UnknownModel, LengthNotServed or ModelNotServed."""
        model = self._engine.default(name)
        if (expected := self._expected.get(model)) is None:
            expected = self._expected[model] = expected_by(model.manifest)
        return expected

    async def _asked_in_turns(self, body: bytes, expected: Expected = NUMBERS) -> Asked:
        async with self._long:
            try:
                asked = await read_in_turns(body, expected, self._max_rows, self._max_items)
                if not all_finite(asked[0].values):
                    raise native_faults.not_finite(asked[0], read(body, expected).sequences)
                return asked
            finally:
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    def _asked(self, body: bytes, expected: Expected) -> Asked:
        """What a body asks for.

        The parsed lists are freed here, while they are in the processor's cache: later, a thousand rows took 0.3 ms to free.
        """
        asked = parse(body, expected, self._max_rows, self._max_items)
        return self._rows(asked.sequences, expected), asked.model_version, asked.routing_key, asked.strict

    def _rows(self, sequences: list[list[Any]], expected: Expected) -> Rows:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
            rows = Rows.of(sequences) if expected is NUMBERS else rows_of(sequences, expected)
        if len(rows.lengths) > self._max_rows or rows.values.size > self._max_items:
            native_faults.check_counts(len(rows.lengths), rows.values.size, self._max_rows, self._max_items)
        if not all_finite(rows.values):
            raise native_faults.not_finite(rows, sequences)
        return rows


def parse(body: bytes, expected: Expected = NUMBERS, max_rows: float = inf, max_items: float = inf) -> Body[Any]:
    """Read a request's body. Raises NotJSON, InvalidRequest or TooManyValues, which say what is wrong with it."""
    if len(body) <= LARGE_BYTES:
        try:
            return _decode(body) if expected.features == 1 else _decode_steps(body)
        except (msgspec.MsgspecError, ValueError):
            pass
    return read(body, expected, max_rows, max_items)


def render(predicted: Predicted) -> bytes:
    """A Prediction of an echo as JSON, with the fewest digits that give back each float32 value."""
    rows, model = predicted.rows, predicted.model
    values = predicted.values.reshape(-1, rows.uniform) if rows.uniform else rows.split(predicted.values.ravel())
    model_input, model_output = model.topology.shapes(rows, model.outputs)
    answer = {
        "topology": model.manifest.topology,
        "model": model.manifest.name,
        "version": model.manifest.version,
        "sequences": values,
        "model_input_shape": model_input,
        "model_output_shape": model_output,
        "in_domain": predicted.in_domain,
    }
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _check_domain(predicted: Predicted, strict: bool) -> None:
    """Raise OutOfDomain where a strict request has a row outside of the domain."""
    if strict and not all(predicted.in_domain):
        raise predicted.model.domains.outside(predicted.rows)
