"""The realistic model: a classifier of rows with 8 features, of 2 layers with 64 units, in a store of its own.

    python -m benchmarks.servers.realistic_model HOME      `prepare` runs this in a process of its own: it needs TensorFlow

It takes rows of any length; the measured request is one row of 100 steps. The model is not trained: a call takes the same time
with any weights. Its exported signature gives the golden pairs and the expected answer. No gate has judged it.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.servers import untrained_versions
from benchmarks.servers.payloads import body, rows_steps
from benchmarks.servers.targets import BARE, FASTAPI, GRANIAN, LITSERVE, OURS, Target
from contract.manifest import Domain, GoldenPair, Manifest, Quantity
from contract.rows import Rows
from contract.store import ModelStore, new_version
from contract.topologies import TOPOLOGIES
from loadtests.processes import ROOT
from training.plan import Network

NAME: Final = "realistic"
CLASSES: Final = tuple(f"class {number}" for number in range(6))
NETWORK: Final = Network(
    TOPOLOGIES["many_to_one"], units=64, features=8, outputs=len(CLASSES), layers=2, length=None, softmax=True
)
STEPS: Final = 100
"""Of the measured row."""
HIGHEST_LENGTH: Final = 3000
"""Of the golden rows."""
SERVERS: Final = (OURS, BARE, GRANIAN, FASTAPI, LITSERVE)
PATHS: Final = {OURS: f"/models/{NAME}/predict", FASTAPI: "/classify"}
WITHIN: Final = 1e-5
"""Largest difference from the signature's answer, which sums in another order."""
SEED: Final = 0


class Realistic(NamedTuple):
    home: Path  # a BENTOML_HOME
    folder: Path  # the version's
    expected: list[float]  # the probabilities that answer the request of one row

    def targets(self, chosen: Sequence[Target]) -> list[Target]:
        """The targets of SERVERS among `chosen`, with this model and a row for it."""
        asked = body(rows_steps(1, STEPS, NETWORK.features))
        labels = [CLASSES[int(np.argmax(self.expected))]]
        return [
            replace(
                target,
                path=PATHS.get(target.name, target.path),
                body=asked,
                expected=self.expected,
                labels=labels,
                within=WITHIN,
                environ=self._environ,
            )
            for target in chosen
            if target.name in SERVERS
        ]

    def _environ(self, _model: Path, _folder: Path) -> dict[str, str]:
        """The service reads the store; peers read MODEL, as with the short model."""
        return {"BENTOML_HOME": str(self.home)}


def prepare(home: Path) -> Realistic:
    subprocess.run([sys.executable, "-m", "benchmarks.servers.realistic_model", str(home)], cwd=ROOT, check=True)
    store = ModelStore(home / "models")
    (version,) = store.versions(NAME)
    return Realistic(home, store.path(NAME, version), untrained_versions.expected(home / "prepared"))


def manifest() -> Manifest:
    """The manifest, with golden rows whose outputs are not computed yet."""
    lengths, unknown = (1, 2, STEPS, HIGHEST_LENGTH), [[0.0] * NETWORK.outputs]
    rows = rows_steps(len(lengths), HIGHEST_LENGTH, NETWORK.features)
    return Manifest(
        name=NAME,
        version=new_version(),
        topology=NETWORK.topology.name,
        task="classify",
        features=[Quantity(name=f"sensor {n}", domain=Domain(low=0.0, high=1.0)) for n in range(NETWORK.features)],
        classes=[*CLASSES],
        length=STEPS,
        any_length=True,
        highest_length=HIGHEST_LENGTH,
        units=NETWORK.units,
        layers=NETWORK.layers,
        parameters=NETWORK.parameters.total,
        recipe="untrained",
        seed=SEED,
        steps=0,
        run_id="none",
        created=datetime.now(UTC),
        commit="unknown",
        libraries={},
        signatures=("serving_default",),
        gate=[],
        golden=[GoldenPair(input=row[:length], output=unknown) for row, length in zip(rows, lengths, strict=True)],
    )


def _publish(home: Path) -> None:
    from training.networks import build  # noqa: PLC0415

    plan = untrained_versions.untrained(NETWORK, STEPS, SEED)
    asked = Rows.of(rows_steps(1, STEPS, NETWORK.features), NETWORK.features)
    untrained_versions.write(build(NETWORK, STEPS, SEED), plan, manifest(), "[]", asked, home / "prepared")
    untrained_versions.publish(ModelStore(home / "models"), home / "prepared")


if __name__ == "__main__":
    _publish(Path(sys.argv[1]))
