"""A runtime of twenty lines to stand in for ONNX Runtime: it echoes, and remembers the shapes that it was shown."""

import sys
from collections.abc import Iterator

import pytest

from contract.rows import Floats
from contract.topologies import TOPOLOGIES, TopologyName
from service.errors import LengthNotServed, UnknownVersion
from service.runtime.loaded_model import LoadedModel
from service.versions.served_versions import Choice, ServedVersions
from service.versions.trials import Bars, Trial
from tests.conftest import make_manifest

BARS = Bars(errors=0.01, differences=None, tolerance=0.05, tail=3.0, tail_floor=0.05)


class FakeRuntime:
    name = "fake"

    def __init__(self, topology: TopologyName) -> None:
        self._topology = topology
        self.shown: list[tuple[int, ...]] = []
        self.lengths: list[list[int] | None] = []  # as they were given with what was shown
        self.expected_seconds = 0.0

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        self.shown.append(inputs.shape)
        self.lengths.append(lengths)
        return {"one_to_one": inputs[:, 0], "many_to_one": inputs[..., 0], "many_to_many": inputs}[self._topology]

    def seconds(self, rows: int, time: int) -> float:
        return self.expected_seconds


def fake_model(name: TopologyName, length: int = 5) -> LoadedModel:
    return LoadedModel(make_manifest(name, length=length), FakeRuntime(name))


class FakeModels:
    """Stands in for the registry: every name answers with one version, `trials` with what is given."""

    def __init__(self, models: dict[str, LoadedModel], choice: Choice | None = None) -> None:
        self._models, self._choice = models, choice
        self.ended: list[str] = []
        self.served: dict[str, ServedVersions] = {}  # so that the engine always asks `find`

    def find(self, name: str, wanted: str | None = None, key: str | None = None) -> Choice | None:
        if wanted is not None:
            return None
        if self._choice is not None:
            return self._choice
        try:
            return Choice(self._models[name])
        except KeyError:
            raise LengthNotServed("not served") from None

    def look_up(self, name: str, version: str) -> None:
        pass

    def load_pinned(self, name: str, version: str) -> Choice:
        raise UnknownVersion(f"no {version}")

    def end_canary(self, trial: Trial, reason: str) -> None:
        self.ended.append(reason)

    @property
    def models(self) -> list[LoadedModel]:
        return list(self._models.values())


def shown(model: LoadedModel) -> list[tuple[int, ...]]:
    assert isinstance(model.runtime, FakeRuntime)
    return model.runtime.shown


@pytest.fixture
def models() -> dict[str, LoadedModel]:
    """One of each topology; many_to_one in lengths 3 and 5."""
    wanted: list[tuple[TopologyName, int]] = [("one_to_one", 5), ("many_to_one", 3), ("many_to_one", 5), ("many_to_many", 5)]
    return {TOPOLOGIES[name].echo_name(length): fake_model(name, length) for name, length in wanted}


@pytest.fixture(autouse=True)
def _switch_interval() -> Iterator[None]:
    """It is the process', and batchers change it."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)
