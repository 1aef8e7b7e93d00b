"""Registries over a store of tiny versions, and what the tests ask of them."""

from pathlib import Path

import numpy as np

from contract.rows import Floats
from contract.store import ModelStore
from contract.topologies import parse_echo_name
from service.runtime.runtimes import Runtime
from service.versions.golden_check import RuntimeLoader
from service.versions.registry import Registry
from tests.conftest import make_manifest
from tests.service.conftest import FakeRuntime

ONE = "one_to_one"


def load(folder: Path) -> FakeRuntime:
    """As the real one: from the files in the version's folder. `weights` of 9 bytes load into a model that errs."""
    if len((folder / "weights").read_bytes()) == 9:
        return Off()
    echo = parse_echo_name(folder.parent.name)
    return FakeRuntime("many_to_many" if echo is None else echo[0].name)


class Off(FakeRuntime):
    def __init__(self) -> None:
        super().__init__("one_to_one")

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        return super().run(inputs, lengths) + np.float32(0.01)


class Counting:
    """A loader that remembers which versions it was asked for."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    def __call__(self, folder: Path) -> Runtime:
        self.versions.append(folder.name)
        return load(folder)


def loaded(store: ModelStore, counting: RuntimeLoader | None = None, keep_previous: int = 1) -> Registry:
    registry = Registry(store, counting or load, keep_previous)
    registry.load_all()
    return registry


def in_memory(registry: Registry) -> set[str]:
    return set(registry.served["one_to_one"].versions)


def default(registry: Registry) -> str:
    return served(registry)["one_to_one"]


def answers(registry: Registry, wanted: str | None) -> str | None:
    """The version that answers a request which names `wanted`; None where it is not in memory."""
    choice = registry.find(ONE, wanted)
    return choice and choice.model.manifest.version


def publish_wrong(store: ModelStore) -> str:
    """A whole version whose answers are not those of its golden pairs."""
    manifest = make_manifest()

    def fill(staging: Path) -> None:
        folder = staging / manifest.name / manifest.version
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"012345678")

    return store.publish(manifest, fill).version


def served(registry: Registry) -> dict[str, str]:
    """What answers requests that name no version."""
    return {name: served.default.manifest.version for name, served in registry.served.items()}
