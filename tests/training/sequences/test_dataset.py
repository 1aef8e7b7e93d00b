from pathlib import Path

import numpy as np
import pytest

from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source


@pytest.mark.parametrize("mapping", [False, True])
def test_a_dataset_survives_being_saved(tmp_path: Path, mapping: bool) -> None:
    values = np.random.default_rng(1).normal(50, 9, (100, 5))
    arrays = {"inputs": values} | ({"targets": -values} if mapping else {})
    np.savez(tmp_path / "my.npz", allow_pickle=False, **arrays)
    _, dataset = check(Source(str(tmp_path / "my.npz")))
    assert dataset is not None
    dataset.save(tmp_path / "saved.npz")
    again = Dataset.load(tmp_path / "saved.npz")
    assert (again.domain, again.facts, again.echo) == (dataset.domain, dataset.facts, not mapping)
    for side in ("train", "held_out"):
        for first, second in zip(dataset.rows(getattr(dataset, side)), again.rows(getattr(again, side)), strict=True):
            assert (first == second).all()


def test_held_out_rows_are_evenly_chosen(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=np.arange(500.0).reshape(100, 5))
    _, dataset = check(Source(str(tmp_path / "my.npz"), held_out=0.5))
    assert dataset is not None
    every, few = dataset.held_out_rows(1000), dataset.held_out_rows(20)
    assert (len(every.inputs), len(few.inputs)) == (50, 17)
    assert few.inputs.tolist() == every.inputs[::3].tolist()
