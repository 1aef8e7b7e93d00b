"""A stand-in for the service: its HTTP contract on a real socket, with an echo instead of a network."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from benchmarks.servers.stub_server import Quiet, listening
from contract.rows import Rows
from contract.topologies import TOPOLOGIES

MODELS = [
    {"name": topology.model_name(5), "topology": name, "version": "1", "length": 5, "aliases": ["production"]}
    for name, topology in TOPOLOGIES.items()
]


def echo(name: str, sequences: list[list[float]]) -> dict[str, Any]:
    """The answer of a model that echoes with a small error. Raises ShapeError like the service."""
    topology, rows = TOPOLOGIES[name], Rows.of(sequences)  # type: ignore[index]
    topology.check(rows)
    outputs = topology.from_model(topology.to_model(rows) + np.float32(0.01), rows)
    return {
        "topology": name,
        "model": topology.model_name(5),
        "version": "1",
        "sequences": [row.tolist() for row in rows.split(outputs)],
        "model_input_shape": topology.shapes(rows)[0],
        "model_output_shape": topology.shapes(rows)[1],
        "in_domain": [True] * len(sequences),
    }


def answer_right(name: str, sequences: list[list[float]]) -> tuple[int, Any]:
    return 200, echo(name, sequences)


@pytest.fixture
def fake() -> Iterator[Callable[..., str]]:
    """Starts a fake and returns its address: `fake(answer=..., models=..., ready=503)`. It ends with the test."""
    with ExitStack() as ends:

        def start(answer: Callable[..., tuple[int, Any]] = answer_right, models: Any = MODELS, ready: int = 200) -> str:
            class Handler(Quiet):
                def get(self) -> None:
                    known = {"/readyz": (ready, {}), "/models": (200, {"models": models, "refused": []})}
                    self.say(*known.get(self.path, (404, {})))

                def post(self, body: bytes) -> None:
                    self.say(*answer(self.path[1:], json.loads(body)["sequences"]))

                def say(self, status: int, content: Any) -> None:
                    kind = "application/json" if status < 400 else "application/problem+json"
                    self.reply(status, json.dumps(content).encode(), kind)

            return ends.enter_context(listening(Handler))

        yield start
