"""A runtime of twenty lines to stand in for TensorFlow: it echoes, and remembers the shapes that it was shown."""

import pytest

from contract.topologies import TOPOLOGIES, Floats, TopologyName
from service.buckets import Bucket
from service.model import LoadedModel
from tests.conftest import make_manifest


class FakeRuntime:
    def __init__(self, topology: TopologyName) -> None:
        self._drops_time = topology != "many_to_many"
        self.shown: list[tuple[int, ...]] = []
        self.expected_seconds = 0.0

    def predict(self, inputs: Floats) -> Floats:
        self.shown.append(inputs.shape)
        return inputs[..., 0] if self._drops_time else inputs

    def predict_long(self, row: Floats) -> Floats:
        self.shown.append(row.shape)
        return row

    def serve(self) -> None:
        pass

    @property
    def buckets(self) -> frozenset[Bucket]:
        return frozenset()

    def compile(self, buckets: frozenset[Bucket]) -> None:
        pass

    def seconds(self, rows: int, time: int) -> float:
        return self.expected_seconds


def fake_model(name: TopologyName, length: int = 5) -> LoadedModel:
    return LoadedModel(make_manifest(name, length=length), FakeRuntime(name), ())


def shown(model: LoadedModel) -> list[tuple[int, ...]]:
    assert isinstance(model.runtime, FakeRuntime)
    return model.runtime.shown


@pytest.fixture
def models() -> dict[str, LoadedModel]:
    """One of each topology; many_to_one in lengths 3 and 5."""
    wanted: list[tuple[TopologyName, int]] = [("one_to_one", 5), ("many_to_one", 3), ("many_to_one", 5), ("many_to_many", 5)]
    return {TOPOLOGIES[name].model_name(length): fake_model(name, length) for name, length in wanted}
