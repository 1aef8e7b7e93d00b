"""Models under names of their own, with random weights and real graphs: forecasts, classes, labels, windows."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from contract.manifest import GoldenPair, Manifest
from contract.rows import Floats
from contract.store import ModelStore
from contract.topologies import TopologyName
from service.runtime.loaded_model import LoadedModel
from service.runtime.onnx_runtime import OnnxRuntime
from tests.conftest import make_manifest, quantity
from tests.service.runtime.translations import Network, write


class Own(NamedTuple):
    """A network and what its manifest says beside it. `length`: the steps of a golden row."""

    network: Network
    topology: TopologyName
    length: int
    says: dict[str, Any]


XY: Final = [quantity("x", -3, 3), quantity("y", -30, 30)]
OWN: Final = {
    "stocks": Own(
        Network(2, 12, 6, False), "many_to_one", 8, {"task": "forecast", "horizon": 3, "targets": XY, "features": XY}
    ),
    "walks": Own(
        Network(2, 12, 3, False, layers=2, softmax=True),
        "many_to_one",
        8,
        {"task": "classify", "features": XY, "classes": ["falling", "rising", "waving"]},
    ),
    "sides": Own(
        Network(2, 12, 2, True, softmax=True),
        "many_to_many",
        8,
        {"task": "label", "features": XY, "classes": ["above", "below"]},
    ),
    "next": Own(Network(2, 12, 2, True), "many_to_many", 8, {"task": "forecast", "features": XY, "targets": XY}),
    "level": Own(
        Network(1, 12, 1, True), "many_to_many", 8, {"task": "regress", "features": XY[:1], "targets": [quantity("level")]}
    ),
    "each": Own(Network(2, 12, 1, False), "one_to_one", 8, {"task": "regress", "features": XY, "targets": [quantity("level")]}),
    "windows": Own(
        Network(2, 12, 3, False, length=7),
        "many_to_one",
        7,
        {"task": "forecast", "horizon": 3, "targets": XY[:1], "features": XY, "any_length": False, "scaling": "window"},
    ),
}
ECHOES: Final = {
    "one_to_one": Own(Network(1, 5, 1, False), "one_to_one", 5, {"features": [quantity("value")]}),
    "many_to_one_5": Own(Network(1, 5, 5, False), "many_to_one", 5, {"features": [quantity("value")], "any_length": False}),
    "many_to_many": Own(Network(1, 5, 1, True), "many_to_many", 5, {"features": [quantity("value")]}),
}
"""Under the names of echoes, though they echo nothing."""


def rows_of(own: Own, *lengths: int, seed: int = 1) -> list[Floats]:
    """Rows (steps, F) in the domain."""
    rng = np.random.default_rng(seed)
    domains = [feature.domain for feature in own.says["features"]]
    low, high = ([getattr(domain, end) for domain in domains] for end in ("low", "high"))
    return [rng.uniform(low, high, (length, len(domains))).astype(np.float32) for length in lengths]


def manifest_of(name: str, own: Own, **others: Any) -> Manifest:
    network, says = own.network, {"any_length": True, "highest_length": 50, **own.says}
    golden = [GoldenPair(input=[[0.0] * network.features], output=[[0.0] * network.outputs])]
    facts: dict[str, Any] = {"name": name, "units": network.units, "layers": network.layers, "golden": golden}
    return make_manifest(own.topology, length=own.length, **facts | says | others)


def load(name: str, folder: Path, seed: int = 1, **others: Any) -> LoadedModel:
    """The model as the service runs it."""
    own = OWN[name]
    folder.mkdir(exist_ok=True)
    return LoadedModel(manifest_of(name, own, **others), OnnxRuntime(write(own.network, folder / name, seed=seed)))


def publish_own(store: ModelStore, name: str, seed: int = 1, **others: Any) -> Manifest:
    """Publish a version with its golden pair."""
    own = (OWN | ECHOES)[name]
    manifest = manifest_of(name, own, **others)

    def fill(staging: Path) -> None:
        folder = staging / name / manifest.version
        folder.mkdir(parents=True)
        write(own.network, folder, seed=seed)

    def golden(staging: Path) -> GoldenPair:
        (row,) = rows_of(own, own.length)
        runtime = OnnxRuntime(write(own.network, staging, seed=seed))
        output = runtime.run(row[:, None] if own.topology == "one_to_one" else row[None], None)
        output = output.reshape(len(row), -1) if own.topology != "many_to_one" else output
        return GoldenPair(input=row.tolist(), output=output.tolist())

    whole = manifest.model_copy(update={"golden": [golden(store.root.parent / f"golden-{manifest.version}")]})
    return store.publish(whole, fill)
