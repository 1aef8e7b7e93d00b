"""The models of `home`, which `python -m training run` trains once for all tests."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from contract.manifest import Figure
from contract.topologies import TopologyName
from tests.training.short_gate import shorten
from tests.training.untrained import exported, plan_for
from training.gate.judge import judge
from training.networks import build
from training.plan import Plan
from training.runs.record import Record, folders, read
from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source


class Trained(NamedTuple):
    plan: Plan
    model: keras.Model
    folder: Path  # the SavedModel


@pytest.fixture(scope="session")
def every_trained(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[TopologyName, Trained]:
    records = [read(folder) for folder in folders(home / "runs")]
    copies = tmp_path_factory.mktemp("trained")
    return {record.plan.topology: _trained(record, copies / record.plan.topology) for record in records}


def _trained(record: Record, copy: Path) -> Trained:
    settled = record.plan.again(record.folder)
    folder = shutil.copytree(record.folder / "saved_model", copy / "saved_model")
    model = build(settled.network, settled.length, settled.seed)
    saved = tf.saved_model.load(str(folder))
    for variable, value in zip(model.weights, saved.signatures["serving_default"].variables, strict=True):
        variable.assign(value)
    return Trained(settled, model, folder)


@pytest.fixture(scope="session", params=["one_to_one", "many_to_one", "many_to_many"])
def trained(request: pytest.FixtureRequest, every_trained: dict[TopologyName, Trained]) -> Trained:
    """A model of each topology, trained by the general recipe."""
    return every_trained[request.param]


@pytest.fixture(scope="session")
def many_to_many(every_trained: dict[TopologyName, Trained]) -> Trained:
    return every_trained["many_to_many"]


@pytest.fixture(scope="session")
def judged(trained: Trained) -> dict[str, Figure]:
    """By name, what the whole gate finds."""
    return {figure.name: figure for figure in judge(trained.model, trained.folder, trained.plan)}


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """A function of a case of `UNTRAINED`: its network, exported."""
    made: dict[str, Trained] = {}

    def of(case: str) -> Trained:
        if case not in made:
            plan, folder = plan_for(case), tmp_path_factory.mktemp("untrained") / "saved"
            made[case] = Trained(plan, exported(plan, folder), folder)
        return made[case]

    return of


@pytest.fixture
def short_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


def own_data(folder: Path, inputs: npt.NDArray[Any], targets: npt.NDArray[Any] | None = None) -> Dataset:
    """A dataset from a real file, a sequence per row."""
    arrays = {"inputs": inputs} if targets is None else {"inputs": inputs, "targets": targets}
    np.savez(folder / "own.npz", allow_pickle=False, **arrays)
    _, dataset = check(Source(str(folder / "own.npz")))
    assert dataset is not None
    return dataset
