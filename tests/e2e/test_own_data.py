"""Real series in their own units, from the command line to the answers of a real service.

Both are in the public domain, and in statsmodels: CO2 in the air above Mauna Loa, every week from 1958 to 2001 (`co2`), and the
sea's temperature off Peru, every month from 1950 to 2010 (`elnino`).
"""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from statsmodels.datasets import co2, elnino

from contract.manifest import Manifest
from contract.rows import Floats, Rows
from contract.store import ModelStore
from tests.e2e.conftest import serving
from tests.training.forked import train
from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source

SEASON = 6
"""Weeks of a sequence with targets."""


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
    """A BENTOML_HOME with the series, with models of both, and with a model of a moving average."""
    home = tmp_path_factory.mktemp("own")
    air = co2.load_pandas().data["co2"].dropna().to_numpy()
    (home / "co2.csv").write_text("\n".join(["value", *(f"{value:.1f}" for value in air)]))
    sea = elnino.load_pandas().data.drop(columns="YEAR").to_numpy().reshape(-1)
    (home / "elnino.csv").write_text("\n".join(["value", *(f"{value:.2f}" for value in sea)]))
    changes = np.diff(air)
    lines = ["sequence,value,target"]
    for number, weeks in enumerate(changes[: len(changes) // SEASON * SEASON].reshape(-1, SEASON)):
        for week, change in enumerate(weeks):  # the target: the mean of this change and up to two before it
            lines.append(f"{number},{change:.1f},{weeks[max(0, week - 2) : week + 1].mean():.6f}")
    (home / "smoothed.csv").write_text("\n".join(lines))
    train(
        home,
        {
            "smoothed.csv": "--topology many_to_many --alias production --learning-rate 0.02 --patience 60",
            "co2.csv": "--length 6 --topology many_to_many --steps 3000",
            "elnino.csv": "--length 5 --topology many_to_one --steps 15000",
        },
    )
    return home


@pytest.fixture(scope="module")
def service(own: Path) -> Iterator[httpx2.Client]:
    with serving(own) as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("file", "topology", "length"), [("co2", "many_to_many", 6), ("elnino", "many_to_one", 5)])
def test_held_out_windows_are_echoed_within_two_percent_of_the_range(
    own: Path, service: httpx2.Client, file: str, topology: str, length: int
) -> None:
    dataset = dataset_of(Source(str(own / f"{file}.csv"), length=length, seed=26))
    manifest = manifest_of(own, topology if topology == "many_to_many" else f"{topology}_{length}")
    assert manifest.data == dataset.facts
    assert manifest.features == dataset.features
    rows, domain = dataset.inputs(dataset.held_out), dataset.features[0].domain
    worst = float(np.abs(answers(service, f"/{topology}", rows) - rows.values[:, 0]).max())
    assert worst < 0.02 * (domain.high - domain.low)


def test_the_domain_is_that_of_the_series_and_in_domain_follows_it(own: Path, service: httpx2.Client) -> None:
    models = {model["name"]: model for model in service.get("/models").json()["models"]}
    domain = models["many_to_many"]["features"][0]["domain"]
    lowest, highest = float(np.float32(313.0)), float(np.float32(373.9))
    assert 312.9 < domain["low"] <= lowest
    assert highest < domain["high"] < 374.0
    rows = [[lowest, highest], [lowest, 374.0], [312.9]]
    assert service.post("/many_to_many", json={"sequences": rows}).json()["in_domain"] == [True, False, False]


def test_a_moving_average_is_learnt_within_a_tenth_of_the_targets_deviation(own: Path, service: httpx2.Client) -> None:
    dataset = dataset_of(Source(str(own / "smoothed.csv"), seed=26))
    assert (dataset.task, dataset.per_step) == ("regress", True)
    rows, targets = dataset.inputs(dataset.held_out), dataset.answers(dataset.held_out)[:, 0]
    assert len(rows.lengths) > 50
    values = answers(service, "/models/smoothed/predict", rows)
    error = float(np.sqrt(np.mean((values - targets) ** 2)))
    assert error < 0.1 * float(targets.std())
    assert float(np.sqrt(np.mean((rows.values[:, 0] - targets) ** 2))) > 0.2 * float(targets.std())  # no echo
