"""A stand-in for the service: its HTTP contract on a real socket, with functions instead of networks."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from benchmarks.servers.stub_server import Quiet, listening
from contract.topologies import TOPOLOGIES
from tests.loadtests import fake_models
from tests.loadtests.fake_models import BY_NAME, MODELS

Asked = dict[str, Any]


def answer_right(model: dict[str, Any], asked: Asked) -> tuple[int, Any]:
    return 200, fake_models.answer(model, asked)


@pytest.fixture
def fake() -> Iterator[Callable[..., str]]:
    """Starts a fake and returns its address: `fake(answer=..., models=..., ready=503)`. It ends with the test."""
    with ExitStack() as ends:

        def start(answer: Callable[..., tuple[int, Any]] = answer_right, models: Any = MODELS, ready: int = 200) -> str:
            class Handler(Quiet):
                def get(self) -> None:
                    known = {"/readyz": (ready, {}), "/models": (200, {"models": models, "refused": []})}
                    cards = {f"/models/{name}": (200, fake_models.card(model)) for name, model in BY_NAME.items()}
                    self.say(*{**cards, **known}.get(self.path, (404, {})))

                def post(self, body: bytes) -> None:
                    asked = json.loads(body)
                    name = self.path.removeprefix("/models/").removesuffix("/predict")
                    if self.path[1:] in TOPOLOGIES:
                        name = TOPOLOGIES[self.path[1:]].echo_name(len(asked["sequences"][0]))  # type: ignore[index]
                    self.say(*answer(BY_NAME[name], asked))

                def say(self, status: int, content: Any) -> None:
                    kind = "application/json" if status < 400 else "application/problem+json"
                    self.reply(status, json.dumps(content).encode(), kind)

            return ends.enter_context(listening(Handler))

        yield start
