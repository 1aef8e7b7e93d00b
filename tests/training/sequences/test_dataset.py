from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source


@pytest.mark.parametrize("kind", ["targets", "labels", "echo"])
def test_a_dataset_survives_being_saved(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(1).normal(50, 9, (100, 5))
    answers: dict[str, Any] = {"targets": -values, "labels": np.arange(100) % 3}
    np.savez(tmp_path / "my.npz", inputs=values, **({kind: answers[kind]} if kind in answers else {}))
    _, dataset = check(Source(str(tmp_path / "my.npz")))
    assert dataset is not None
    dataset.save(tmp_path / "saved.npz")
    again = Dataset.load(tmp_path / "saved.npz")
    said = ("task", "per_step", "features", "goals", "classes", "target_columns", "horizon", "facts")
    assert [getattr(again, name) for name in said] == [getattr(dataset, name) for name in said]
    for side in ("train", "validation", "held_out"):
        mine, theirs = getattr(dataset, side), getattr(again, side)
        assert (dataset.inputs(mine).values == again.inputs(theirs).values).all()
        assert (dataset.answers(mine) == again.answers(theirs)).all()


def test_held_out_rows_are_evenly_chosen(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=np.arange(500.0).reshape(100, 5))
    _, dataset = check(Source(str(tmp_path / "my.npz"), held_out=0.5))
    assert dataset is not None
    every, few = dataset.held_out.some(1000), dataset.held_out.some(20)
    assert (len(every), len(few)) == (50, 17)
    assert few.starts.tolist() == every.starts[::3].tolist()
