"""The realistic model: `many_to_many`, 64 units, rows of 100 items, in a store of its own.

    python -m benchmarks.servers.realistic_model HOME      `prepare` runs this in a process of its own: it needs TensorFlow

The model has one feature: the service serves no other yet. The model is not trained: a call takes the same time with any
weights. Its exported signature gives the golden pairs and the expected answer. Its gate figures are those of another model.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.servers import untrained_versions
from benchmarks.servers.payloads import rows_body, rows_items
from benchmarks.servers.served_model import MODEL, model_folder
from benchmarks.servers.targets import BARE, FASTAPI, GRANIAN, OURS, Target
from contract.manifest import Manifest
from contract.rows import Rows
from contract.store import ModelStore
from loadtests.processes import ROOT

UNITS: Final = 64
ITEMS: Final = 100
SERVERS: Final = (OURS, BARE, GRANIAN, FASTAPI)
WITHIN: Final = 1e-5
"""Largest difference from the signature's answer, which sums in another order."""


class Realistic(NamedTuple):
    home: Path  # a BENTOML_HOME
    folder: Path  # the version's
    expected: list[float]  # the answer to the request of one row

    def targets(self, chosen: Sequence[Target]) -> list[Target]:
        """The targets of SERVERS among `chosen`, with this model and a row for it."""
        body = rows_body(1, ITEMS)
        return [
            replace(target, body=body, expected=self.expected, within=WITHIN, environ=self._environ)
            for target in chosen
            if target.name in SERVERS
        ]

    def _environ(self, _model: Path, _folder: Path) -> dict[str, str]:
        """The service reads the store; peers read MODEL, as with the short model."""
        return {"BENTOML_HOME": str(self.home)}


def prepare(home: Path) -> Realistic:
    subprocess.run([sys.executable, "-m", "benchmarks.servers.realistic_model", str(home)], cwd=ROOT, check=True)
    store = ModelStore(home / "models")
    (version,) = store.versions(MODEL)
    return Realistic(home, store.path(MODEL, version), json.loads((home / "prepared" / "expected.json").read_text()))


def _publish(home: Path) -> None:
    from training.networks import build  # noqa: PLC0415

    published = model_folder()
    manifest = Manifest.model_validate_json((published / "manifest.json").read_text())
    model = build(manifest.shape, UNITS, manifest.length, manifest.seed)
    parameters = manifest.shape.parameters(UNITS, manifest.length).total
    own = manifest.model_copy(update={"units": UNITS, "parameters": parameters, "steps": 0})
    untrained_versions.write(model, own, published / "gate.json", Rows.of(rows_items(1, ITEMS)), home / "prepared")
    untrained_versions.publish(ModelStore(home / "models"), home / "prepared")


if __name__ == "__main__":
    _publish(Path(sys.argv[1]))
