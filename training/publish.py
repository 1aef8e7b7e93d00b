"""Publishes a SavedModel that passed the gate as a version in the store, with its manifest."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path

import bentoml
from bentoml._internal.models import ModelStore as BentoStore  # the only hook to assemble a model in staging

from contract.manifest import Figure, GoldenPair, Manifest
from contract.rows import Floats
from contract.store import ModelStore
from training.recipes import Plan
from training.runs.plan import RunPlan
from training.sequences.generated import edge_rows, random_rows, tutorial_sequence

GOLDEN_PAIRS = 12


def golden_inputs(plan: Plan) -> list[Floats]:
    """Twelve rows: the first, the edges, random ones. They have several lengths where the topology takes any."""
    lengths = [plan.length] * GOLDEN_PAIRS if not plan.topology.any_length else [1, 2, 3, plan.length, 17, 64]
    rows = [first_input(plan), *(edge[0] for _, edge in edge_rows(plan.length, plan.recipe.domain))]
    rows += [random_rows(plan.seed + n, 1, length, plan.recipe.domain)[0] for n, length in enumerate(lengths)]
    return rows[:GOLDEN_PAIRS]


def first_input(plan: Plan) -> Floats:
    """(length,): the row that a job shows: the tutorial's, or a held-out row of the user's data."""
    return tutorial_sequence(plan.length) if plan.data is None else plan.data.held_out_rows(1).inputs[0]


def manifest_for(run: RunPlan, plan: Plan, gate: list[Figure], golden: list[GoldenPair]) -> Manifest:
    """The commit is that of the run's plan, also where another commit resumed the run."""
    distributions = packages_distributions()  # the training image has tensorflow as tensorflow-cpu
    return Manifest(
        name=plan.name,
        version=run.version,
        topology=plan.topology.name,
        length=plan.length,
        highest_length=plan.highest_length,
        units=plan.units,
        parameters=plan.topology.parameters(plan.units, plan.length).total,
        domain=plan.recipe.domain,
        data=None if plan.data is None else plan.data.facts,
        recipe=plan.recipe.name,
        seed=plan.seed,
        steps=plan.steps,
        run_id=run.id,
        created=datetime.now(UTC),
        commit=run.commit,
        libraries={
            name: installed(distributions[name][0])
            for name in ("tensorflow", "keras", "numpy", "bentoml", "onnx", "onnxruntime")
        },
        signatures=("serving_default", "step") if plan.topology.return_sequences else ("serving_default",),
        gate=gate,
        golden=golden,
        golden_tolerance=plan.same,
    )


def publish(store: ModelStore, manifest: Manifest, saved_model: Path, gate_json: Path) -> Manifest:
    """Publish a version, whole or not at all. Raises OSError where the store cannot be written."""

    def fill(staging: Path) -> None:
        """Let BentoML write its own files, into an empty store without readers."""
        labels = {"topology": manifest.topology, "recipe": manifest.recipe}
        metadata = {figure.name: figure.value for figure in manifest.gate}
        tag = f"{manifest.name}:{manifest.version}"
        with (
            _temporary_files_in(staging),
            bentoml.models.create(tag, labels=labels, metadata=metadata, _model_store=BentoStore(staging)) as model,
        ):
            shutil.copytree(saved_model, model.path, dirs_exist_ok=True)
            (Path(model.path) / gate_json.name).write_bytes(gate_json.read_bytes())

    return store.publish(manifest, fill)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """BentoML copies a model through a temporary folder. In staging it is removed after a kill."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
