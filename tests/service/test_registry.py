from pathlib import Path

import numpy as np
import pytest

from contract.store import ModelStore
from contract.topologies import TOPOLOGIES, Floats, Topology
from service.errors import LengthNotServed, ModelNotServed
from service.registry import Registry
from tests.conftest import Publish
from tests.service.conftest import FakeRuntime


def load(folder: Path, _topology: Topology, _length: int, _labels: tuple[str, str]) -> FakeRuntime:
    """As the real one: from the files in the version's folder. `weights` of 9 bytes load into a model that errs."""
    return Off() if len((folder / "weights").read_bytes()) == 9 else FakeRuntime("one_to_one")


class Off(FakeRuntime):
    def __init__(self) -> None:
        super().__init__("one_to_one")

    def predict(self, inputs: Floats) -> Floats:
        return super().predict(inputs) + np.float32(0.01)


def loaded(store: ModelStore) -> Registry:
    registry = Registry(store, load)
    registry.load_all()
    return registry


def served(registry: Registry) -> dict[str, str]:
    """What answers requests that name no version."""
    return {name: served.default.manifest.version for name, served in registry.served.items()}


def test_every_name_is_served_in_its_newest_version(store: ModelStore, publish: Publish) -> None:
    publish()
    newest = publish().version
    other = publish("many_to_one", length=3).version
    assert served(loaded(store)) == {"one_to_one": newest, "many_to_one_3": other}


def test_production_is_served_before_the_newest(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    publish()
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    assert served(registry) == {"one_to_one": first}
    assert registry.served["one_to_one"].aliases == {"production": first}


def test_a_changed_file_is_refused_and_the_version_before_it_served(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    (store.path("one_to_one", second) / "weights").write_bytes(b"tampered")
    registry = loaded(store)
    assert served(registry) == {"one_to_one": first}
    assert [(r.version, r.reason) for r in registry.refusals] == [(second, "weights is changed")]


def test_a_model_that_misses_its_golden_answers_is_refused(store: ModelStore, publish: Publish) -> None:
    manifest = publish()
    folder = store.path("one_to_one", manifest.version)

    def fill(staging: Path) -> None:
        (staging / "one_to_one").mkdir()
        folder.rename(staging / "one_to_one" / folder.name)
        (staging / "one_to_one" / folder.name / "weights").write_bytes(b"012345678")

    (folder / "manifest.json").unlink()
    store.publish(manifest, fill)
    with pytest.raises(ModelNotServed, match=r"golden pair 0 differs by 0\.01, allowed 1e-05"):
        loaded(store)


def test_an_unreadable_alias_file_does_not_keep_a_model_from_being_served(store: ModelStore, publish: Publish) -> None:
    version = publish().version
    (store.root / "one_to_one" / "aliases.json").write_text("?")
    registry = loaded(store)
    assert served(registry) == {"one_to_one": version}
    assert registry.refusals[0].version == "aliases"


def test_nothing_to_serve_is_an_error_that_says_why(store: ModelStore, publish: Publish) -> None:
    with pytest.raises(ModelNotServed, match="it is empty"):
        loaded(store)
    version = publish().version
    (store.path("one_to_one", version) / "weights").unlink()
    with pytest.raises(ModelNotServed, match=f"one_to_one:{version}: weights is missing"):
        loaded(store)


def test_a_missing_length_names_those_that_are_served(store: ModelStore, publish: Publish) -> None:
    publish("many_to_one", length=3)
    publish("many_to_one", length=8)
    with pytest.raises(LengthNotServed) as caught:
        loaded(store).find(TOPOLOGIES["many_to_one"], 5)
    assert caught.value.extra == {"received_length": 5, "served_lengths": [3, 8]}
    assert "served: 3, 8; received rows of length 5" in caught.value.detail
    assert 'make train ARGS="--topology many_to_one --length 5"' in caught.value.detail


def test_a_missing_topology_says_how_to_train_it(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    for name in ("many_to_one", "many_to_many"):
        with pytest.raises(ModelNotServed, match=f"python -m training run --topology {name}"):
            registry.find(next(t for t in TOPOLOGIES.values() if t.name == name), 5)
