"""Models that the real code trains once for all tests of training."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pytest

from contract.topologies import TopologyName
from training.fit import fit
from training.networks import build, export
from training.recipes import GENERAL, Plan, plan
from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source


class Trained(NamedTuple):
    plan: Plan
    model: keras.Model
    folder: Path  # the SavedModel


@pytest.fixture(scope="session", params=["one_to_one", "many_to_one", "many_to_many"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of each topology, trained by the general recipe."""
    return train(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def many_to_many(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train("many_to_many", tmp_path_factory)


def own_data(folder: Path, inputs: npt.NDArray[Any], targets: npt.NDArray[Any] | None = None) -> Dataset:
    """A dataset from a real file, a sequence per row."""
    arrays = {"inputs": inputs} if targets is None else {"inputs": inputs, "targets": targets}
    np.savez(folder / "own.npz", allow_pickle=False, **arrays)
    _, dataset = check(Source(str(folder / "own.npz")))
    assert dataset is not None
    return dataset


def train(name: TopologyName, folders: pytest.TempPathFactory) -> Trained:
    settled = plan(GENERAL, name, length=5, seed=1)
    model = build(settled.topology, settled.units, settled.length, settled.seed)
    for _ in fit(model, settled):
        pass
    folder = folders.mktemp(name) / "saved_model"
    export(model, settled.topology, folder)
    return Trained(settled, model, folder)
