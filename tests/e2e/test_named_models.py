"""Models of three tasks under names of their own, beside the echoes: from files to the answers of a real service."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from contract.manifest import Manifest
from contract.rows import Rows
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from tests.e2e.conftest import serving
from tests.training.forked import Training, train
from training.runs.checkpoints import newest
from training.runs.record import folders, read
from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.source import Source

KINDS = ("falling", "rising", "waving")


def write_files(folder: Path) -> None:
    rng = np.random.default_rng(1)
    months = np.arange(480)
    sales = 100 + 0.2 * months + 20 * np.sin(2 * np.pi * months / 12) + rng.normal(0, 2, len(months))
    (folder / "sales.csv").write_text("\n".join(["month,sales", *(f"{m},{v:.3f}" for m, v in zip(months, sales, strict=True))]))
    rows, labels = [], []
    for number in range(240):  # two features: a walk of one of three kinds, and noise
        time = np.arange(rng.integers(8, 30)) / 10
        shape = {"falling": -time, "rising": time, "waving": np.sin(4 * time)}[kind := KINDS[number % 3]]
        rows.append(np.stack([shape + rng.normal(0, 0.1, len(time)), rng.normal(0, 1, len(time))], axis=1))
        labels.append(kind)
    steps = ["walk,x,noise,kind"]
    for number, (row, kind) in enumerate(zip(rows, labels, strict=True)):
        steps += [f"{number},{x:.4f},{noise:.4f},{kind}" for x, noise in row]
    (folder / "walks.csv").write_text("\n".join(steps))
    marks = ["walk,x,side"]
    for number, row in enumerate(rows):
        marks += [f"{number},{x:.4f},{'above' if x > 0.3 else 'below'}" for x, _ in row]
    (folder / "sides.csv").write_text("\n".join(marks))


TRAININGS = {
    "sales": "--task forecast --length 24 --horizon 12 --target sales --time-column month",
    "walks": "--task classify --sequence-column walk --features x,noise --label kind",
    "sides": "--task label --sequence-column walk --features x --label side",
}


def train_named(home: Path, folder: Path) -> Path:
    """`folder` as a BENTOML_HOME with the echoes of `home` and the models of TRAININGS, in production."""
    shutil.copytree(home / "models", folder / "models")
    write_files(folder)
    few = "--steps 300 --units 16 --learning-rate 0.01 --alias production"
    train(folder, {f"{name}.csv": f"{arguments} {few}" for name, arguments in TRAININGS.items()})
    return folder


@pytest.fixture(scope="module")
def own(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with the echoes and three models of one's own, in production."""
    return train_named(home, tmp_path_factory.mktemp("named"))


@pytest.fixture(scope="module")
def service(own: Path) -> Iterator[httpx2.Client]:
    with serving(own) as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


def dataset_of(own: Path, name: str) -> Dataset:
    how: dict[str, dict[str, Any]] = {
        "sales": {"task": "forecast", "length": 24, "horizon": 12, "target": ("sales",), "time_column": "month"},
        "walks": {"task": "classify", "sequence_column": "walk", "features": ("x", "noise"), "label": "kind"},
        "sides": {"task": "label", "sequence_column": "walk", "features": ("x",), "label": "side"},
    }
    _, dataset = check(Source(str(own / f"{name}.csv"), **how[name]))
    assert dataset is not None
    return dataset


def manifest_of(own: Path, name: str) -> Manifest:
    store = ModelStore(own / "models")
    return store.verify(name, store.aliases(name)["production"].version)


def asked(client: httpx2.Client, name: str, rows: Rows, **more: Any) -> dict[str, Any]:
    sequences = [(row[:, 0] if rows.features == 1 else row).astype(float).tolist() for row in rows.split()]
    answer = client.post(f"/models/{name}/predict", json={"sequences": sequences, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_forecast_is_closer_than_the_value_a_year_before(own: Path, service: httpx2.Client) -> None:
    data = dataset_of(own, "sales")
    rows, right = data.inputs(data.held_out), data.answers(data.held_out)
    answer = np.array(asked(service, "sales", rows)["outputs"])
    assert answer.shape == right.shape == (len(rows.lengths), 12)
    year_before = rows.values.reshape(len(rows.lengths), 24)[:, -12:]
    assert np.abs(answer - right).mean() < 0.8 * np.abs(year_before - right).mean()


def test_a_class_comes_with_its_probabilities_and_no_company_changes_a_bit(own: Path, service: httpx2.Client) -> None:
    data = dataset_of(own, "walks")
    rows = data.inputs(data.held_out)
    answer = asked(service, "walks", rows)
    assert answer["classes"] == list(KINDS)
    right = [KINDS[number] for number in data.answers(data.held_out)]
    assert np.mean([given == want for given, want in zip(answer["labels"], right, strict=True)]) > 0.9
    for row, label, probabilities in zip(rows.split(), answer["labels"], answer["probabilities"], strict=True):
        alone = asked(service, "walks", Rows(row, [len(row)]))
        assert (alone["labels"], alone["probabilities"]) == ([label], [probabilities])
        assert KINDS[int(np.argmax(probabilities))] == label
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)


def test_each_step_gets_a_label(own: Path, service: httpx2.Client) -> None:
    data = dataset_of(own, "sides")
    rows = data.inputs(data.held_out)
    answer = asked(service, "sides", rows)
    assert [len(row) for row in answer["labels"]] == rows.lengths
    right = [data.classes[number] for number in data.answers(data.held_out)]
    given = [label for row in answer["labels"] for label in row]
    assert np.mean([one == other for one, other in zip(given, right, strict=True)]) > 0.9


@pytest.mark.parametrize("name", TRAININGS)
def test_the_manifest_counts_the_steps_that_were_trained_and_a_checkpoint_ends_them(own: Path, name: str) -> None:
    manifest = manifest_of(own, name)
    (folder,) = [folder for folder in folders(own / "runs") if read(folder).version == manifest.version]
    last = newest(folder / "checkpoints", print)
    assert last is not None
    assert manifest.steps == manifest.curve[-1].step == last.step <= read(folder).plan.steps


def test_the_echoes_answer_beside_them_and_the_cards_say_what_each_model_is(own: Path, service: httpx2.Client) -> None:
    for topology in ("one_to_one", "many_to_one", "many_to_many"):
        answer = service.post(f"/{topology}", json={"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]}).json()
        assert answer["sequences"][0] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8], abs=0.05)
    models = {model["name"]: model for model in service.get("/models").json()["models"]}
    assert {name: model["task"] for name, model in models.items() if model["task"] != "echo"} == {
        "sales": "forecast",
        "walks": "classify",
        "sides": "label",
    }
    card = service.get("/models/walks").json()
    assert card["score"]["metric"] == "balanced_accuracy"
    assert card["score"]["value"] > card["score"]["baselines"]["majority"]
    assert card["curve"][-1]["validation_loss"] < card["curve"][0]["validation_loss"]


def test_rows_out_of_the_domain_are_marked_and_strict_refuses_them(service: httpx2.Client) -> None:
    far, inside, short = [[99.0, 0.0]] * 8, [[0.5, 0.1]] * 8, [[0.5, 0.1]] * 7  # the data has 8 to 29 steps
    assert asked(service, "walks", Rows.of([far, inside, short], 2))["in_domain"] == [False, True, False]
    for row, expected in ((far, "expected x from "), (short, "expected rows of at least 8 steps, ")):
        answer = service.post("/models/walks/predict", json={"sequences": [row], "strict": True})
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:unroll:error:out-of-domain"
        assert answer.json()["detail"].startswith(expected)


def test_promoting_one_model_touches_no_other_and_a_canary_of_another_task_is_refused(own: Path) -> None:
    store = ModelStore(own / "models")
    before = {name: store.aliases(name)["production"].version for name in store.names()}
    data = own / "walks.csv"
    arguments = ("--task", "label", "--sequence-column", "walk", "--features", "x,noise", "--label", "kind")
    with Training(own, "run", "--data", str(data), *arguments, "--runs", str(own / "runs")) as process:
        code, shown = process.finish()
    assert code == 2
    assert "walks is a model of task classify; received task label: choose another --name" in " ".join(shown.split())
    sales = store.verify("sales", before["sales"])
    other = sales.model_copy(
        update={
            "version": "20990101-000000-000000-0000",
            "targets": [],
            "classes": ["a", "b"],
            "task": "classify",
            "horizon": None,
        }
    )

    def fill(staging: Path) -> None:
        shutil.copytree(store.path("sales", sales.version), staging / "sales" / other.version)
        (staging / "sales" / other.version / "manifest.json").unlink()

    store.publish(other, fill)
    with pytest.raises(BrokenVersion, match="cannot be compared with production of sales: it has task classify, not forecast"):
        store.set_canary("sales", "production", other.version, 5)
    with pytest.raises(BrokenVersion, match="names a version of task forecast; received one of task classify"):
        store.promote("sales", "production", other.version)
    store.delete("sales", other.version)
    after = {name: store.aliases(name)["production"].version for name in store.names()}
    assert after == before
    assert json.loads((own / "models" / "sales" / "aliases.json").read_text())["production"]["versions"] == [before["sales"]]
