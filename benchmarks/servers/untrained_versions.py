"""Versions made without training: of one model with different answers, or of any network.

    python -m benchmarks.servers.untrained_versions FOLDER COUNT ROWS SHIFT    `prepare` runs this, since it needs TensorFlow

Each version is the published model with slightly changed weights. It is exported and described as `training` does it.
`expected.json` beside it has the exported signature's answers to `payloads.rows_items`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.servers.payloads import rows_items
from benchmarks.servers.served_model import MODEL, model_folder
from contract.manifest import GoldenPair, Manifest
from contract.rows import Rows
from contract.store import ModelStore, new_version
from loadtests.processes import ROOT
from training.plan import Network, Plan
from training.recipes import GENERAL

OFF = 1e-3
"""Relative change of a weight: answers change by some 1e-3, less than the gate allows and more than any rounding."""


def prepare(folder: Path, count: int, rows: int, shift: float = 0.0) -> None:
    """Write `count` versions. `shift` is added to every answer, golden ones too: the version is intact, but wrong."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.servers.untrained_versions", str(folder), str(count), str(rows), str(shift)],
        cwd=ROOT,
        check=True,
    )


def publish(store: ModelStore, prepared: Path) -> Manifest:
    """Publish under a new version name, as `training` does."""
    from training.publish import publish as publish_model  # noqa: PLC0415 - BentoML takes a second to import

    manifest = Manifest.model_validate_json((prepared / "manifest.json").read_text())
    fresh = manifest.model_copy(update={"version": new_version()})
    return publish_model(store, fresh, prepared / "saved_model", prepared / "gate.json")


def expected(prepared: Path) -> list[float]:
    """The numbers that answer the rows that `write` was asked, one after the other."""
    numbers: list[float] = json.loads((prepared / "expected.json").read_text())
    return numbers


def untrained(network: Network, length: int, seed: int) -> Plan:
    """A plan that takes no step: its recipe says nothing of the network."""
    return Plan(GENERAL, "untrained", network, length, batch=1, steps=0, learning_rate=0.0, seed=seed)


def write(model: Any, plan: Plan, manifest: Manifest, gate: str, asked: Rows, into: Path) -> None:
    """Write a Keras network as a folder for `publish`. `manifest` describes it; its golden pairs are its own answers.

    `gate`: the text of `gate.json`.
    """
    from training.gate.exported import Exported  # noqa: PLC0415 - it imports TensorFlow
    from training.networks import export  # noqa: PLC0415

    into.mkdir(parents=True)
    export(model, plan.network, into / "saved_model", None)
    exported = Exported(into / "saved_model", plan)
    golden = []
    for pair in manifest.golden:
        row = Rows(np.array(pair.input, np.float32), [len(pair.input)])
        golden.append(GoldenPair(input=pair.input, output=exported(row).tolist()))
    own = manifest.model_copy(update={"golden": golden, "files": {}})
    (into / "manifest.json").write_text(own.model_dump_json())
    (into / "expected.json").write_text(json.dumps(exported(asked).reshape(-1).tolist()))
    (into / "gate.json").write_text(gate)


def _prepare(folder: Path, count: int, rows: int, shift: float) -> None:
    import tensorflow as tf  # noqa: PLC0415

    from training.networks import build  # noqa: PLC0415

    published = model_folder()
    manifest = Manifest.model_validate_json((published / "manifest.json").read_text())
    loaded = tf.saved_model.load(str(published))  # keeps the variables alive
    weights = {variable.name: variable.numpy() for variable in loaded.signatures["serving_default"].variables}
    plan = untrained(Network(manifest.shape, manifest.units), manifest.length, manifest.seed)
    model = build(plan.network, plan.length, plan.seed)
    gate = (published / "gate.json").read_text()
    rng, asked = np.random.default_rng(0), Rows.of(rows_items(rows))
    for number in range(count):
        for variable in model.trainable_variables:
            exact = weights[f"{variable.path}:0"]
            variable.assign(exact * (1 + OFF * rng.standard_normal(exact.shape).astype(np.float32)))
        model.trainable_variables[-1].assign_add([shift])  # the head's bias
        write(model, plan, manifest, gate, asked, folder / f"{number:03}")


if __name__ == "__main__":
    assert MODEL == "many_to_many"
    _prepare(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
