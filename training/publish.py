"""Publishes a SavedModel that passed the gate as a version in the store, with its manifest."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path

import bentoml
from bentoml._internal.models import ModelStore as BentoStore  # the only hook to assemble a model in staging

from contract.manifest import Figure, GoldenPair, Manifest, Point, Score
from contract.rows import Floats, Rows
from contract.store import ModelStore
from training.described import described
from training.plan import Plan
from training.runs.plan import RunPlan
from training.sequences.dataset import Dataset
from training.sequences.generated import edge_rows, random_rows, random_steps, tutorial_sequence

GOLDEN_PAIRS = 12
GOLDEN_OWN = 4
"""Held-out rows among them, at most."""
GOLDEN_STEPS = 256
"""Longest golden row where a model takes any length: the manifest has every number of them."""


def golden_inputs(plan: Plan) -> list[Floats]:
    """Twelve rows (length, F). They have several lengths where the topology takes any.

    Echo: the first, the edges, random ones. Other tasks: some held-out rows, then random ones.
    """
    if plan.data is not None and plan.task != "echo":
        return _golden_of_task(plan, plan.data)
    lengths = [1, 2, 3, plan.length, 17, 64] if plan.any_length else [plan.length] * GOLDEN_PAIRS
    rows = [first_row(plan), *(edge[0][:, None] for _, edge in edge_rows(plan.length, plan.domain))]
    rows += [random_rows(plan.seed + n, 1, length, plan.domain)[0][:, None] for n, length in enumerate(lengths)]
    return rows[:GOLDEN_PAIRS]


def _golden_of_task(plan: Plan, data: Dataset) -> list[Floats]:
    own = data.inputs(data.held_out.some(GOLDEN_OWN)).split()
    longest = GOLDEN_STEPS if plan.any_length else plan.length
    lengths = [1, 2, 3, 17, 64, min(plan.length, longest), 5, 33] if plan.any_length else [plan.length]
    number = GOLDEN_PAIRS - len(own)
    drawn = [random_steps(plan.seed + n, 1, lengths[n % len(lengths)], plan.features)[0] for n in range(number)]
    return [*(row[-longest:] for row in own), *drawn]


def golden_pairs(plan: Plan, answers: Callable[[Rows], Floats]) -> list[GoldenPair]:
    """The golden inputs with the exported model's answers to each row alone."""
    return [
        GoldenPair(input=row.tolist(), output=answers(Rows(row, [len(row)])).tolist())  # many_to_one: (1, K)
        for row in golden_inputs(plan)
    ]


def first_row(plan: Plan) -> Floats:
    """(length, F): the row that a job shows: the tutorial's, or a held-out row of the user's data."""
    if plan.data is None:
        return tutorial_sequence(plan.length)[:, None]
    return plan.data.inputs(plan.data.held_out.some(1)).values


def manifest_for(
    run: RunPlan,
    plan: Plan,
    gate: list[Figure],
    golden: list[GoldenPair],
    score: Score | None,
    curve: list[Point],
    steps: int,
) -> Manifest:
    """The commit is that of the run's plan, also where another commit resumed the run. `score`: None for an echo. `steps`:
    those done, which are fewer than planned where training ended early."""
    distributions = packages_distributions()  # the training image has tensorflow as tensorflow-cpu
    return Manifest(
        **described(plan),
        version=run.version,
        score=score,
        curve=curve,
        steps=steps,
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
