"""A model of twenty lines to stand in for TensorFlow: it echoes, and remembers what it was shown."""

import pytest

from contract.topologies import TOPOLOGIES, Floats, TopologyName
from service.registry import LoadedModel
from tests.conftest import make_manifest


class FakeRuntime:
    def __init__(self, topology: TopologyName) -> None:
        self._drops_time = topology != "many_to_many"
        self.shown: list[Floats] = []

    def predict(self, inputs: Floats) -> Floats:
        self.shown.append(inputs.copy())
        return inputs[..., 0] if self._drops_time else inputs


@pytest.fixture
def models() -> dict[str, LoadedModel]:
    """One of each topology; many_to_one in lengths 3 and 5."""
    wanted: list[tuple[TopologyName, int]] = [("one_to_one", 5), ("many_to_one", 3), ("many_to_one", 5), ("many_to_many", 5)]
    loaded = [LoadedModel(make_manifest(name, length=length), FakeRuntime(name), ()) for name, length in wanted]
    return {TOPOLOGIES[m.manifest.topology].model_name(m.manifest.length): m for m in loaded}
