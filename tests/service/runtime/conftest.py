"""Really trained models, loaded once for the room."""

from functools import partial
from pathlib import Path

import pytest

from contract.store import ModelStore
from contract.topologies import TopologyName
from service.runtime.loaded_model import LoadedModel
from service.runtime.runtimes import RuntimeChoice, load
from service.versions.registry import Registry

Trained = dict[TopologyName, LoadedModel]


def every(home: Path, choice: RuntimeChoice) -> Trained:
    registry = Registry(ModelStore(home / "models"), partial(load, choice=choice))
    registry.load_all()
    assert {model.runtime.name for model in registry.models} == {choice}
    return {model.manifest.topology: model for model in registry.models}


@pytest.fixture(scope="session")
def trained(home: Path) -> Trained:
    """One of each topology, as the service runs them."""
    return every(home, "onnx")


@pytest.fixture(scope="session")
def reference(home: Path) -> Trained:
    """The same by TensorFlow."""
    return every(home, "tensorflow")
