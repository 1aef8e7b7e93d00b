"""What the pages tell, from a registry over a real store: only what runs the models is stood in for."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from contract.manifest import Point, Score
from contract.rows import Rows
from contract.store import ModelStore
from service.errors import UnknownModel
from service.http.messages import Request, Response
from service.protocols.models import ModelPages
from service.protocols.schemas import Limits
from service.request_context import Caller
from service.versions.registry import Registry
from service.versions.worker_states import WorkerStates
from tests.conftest import Publish
from tests.service.conftest import FakeRuntime
from tests.service.own_models import publish_own

NAME: Final = "one_to_one"
LIMITS: Final = Limits(max_rows=10, max_items=50, max_body_bytes=1_000, timeout_ms=100, max_timeout_ms=200)


@pytest.fixture
def registry(store: ModelStore, publish: Publish) -> Registry:
    """Production names the first version; the second is its canary, and refused is a third."""
    first, second = publish().version, publish().version
    store.promote(NAME, "production", first)
    store.promote(NAME, "candidate", second)
    store.set_canary(NAME, "production", second, 25.0)
    broken = publish().version
    (store.path(NAME, broken) / "weights").unlink()
    registry = Registry(store, lambda _: FakeRuntime(NAME))
    registry.load_all()
    return registry


def get(pages: ModelPages, path: str, **parameters: str) -> dict[str, Any]:
    (route,) = (route for route in pages.routes if route.path == path)

    async def handled() -> Response:
        return await route.handle(Request(b"", Caller(), parameters))

    answer = asyncio.run(handled())
    assert (answer.status, route.method) == (200, "GET")
    body: dict[str, Any] = json.loads(answer.body)
    return body


def compare(registry: Registry, off: float, rows: int = 1) -> None:
    asked = Rows.of([[0.5]] * rows)
    registry.trials[0].compared(asked, asked.values, asked.values + np.float32(off), np.ones(rows, bool), 0.05)


def test_a_folder_whose_name_is_not_utf8_is_shown_as_refused(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    (store.root / NAME / os.fsdecode(b"9-\xff\xfe")).mkdir()
    registry.refresh()
    registry.refresh()
    refused = get(ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS), "/models")["refused"]
    assert [entry["reason"] for entry in refused if entry["version"] == "9-\\udcff\\udcfe"] == [
        "its name is not UTF-8: rename or delete the folder"
    ]


def test_models_shows_versions_in_memory_refusals_and_what_each_worker_serves(
    registry: Registry, store: ModelStore, tmp_path: Path
) -> None:
    first, second, broken = store.versions(NAME)
    told = get(ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS), "/models")
    assert [(m["version"], m["aliases"], m["default"], m["runtime"]) for m in told["models"]] == [
        (first, ["production"], True, "fake"),
        (second, ["candidate"], False, "fake"),
    ]
    assert told["models"][0]["gate"] == {"error, held-out rows": 0.01}
    assert told["refused"] == [{"name": NAME, "version": broken, "reason": "weights is missing"}]
    assert told["limits"] == LIMITS.model_dump()
    serving = {"production": first, "candidate": second, "default": first, "canary": second, "shadow": None}
    assert told["workers"] == [{"pid": os.getpid(), "serving": {NAME: serving}}]


def test_a_canary_that_has_ended_is_not_shown_as_serving(registry: Registry, tmp_path: Path) -> None:
    registry.trials[0].ended = True
    told = get(ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS), "/models")
    assert told["workers"][0]["serving"][NAME]["canary"] is None


def test_a_comparison_sums_what_all_workers_saw(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    first, second, _ = store.versions(NAME)
    workers = WorkerStates(tmp_path / "workers")
    (trial,) = registry.trials
    compare(registry, 0.0, rows=2)
    compare(registry, 0.5)
    trial.answered("candidate", 0.001)
    trial.failed("candidate")
    trial.answered("baseline", 0.002)
    state = json.loads(json.dumps({"model": NAME, **trial.state()}))
    other = {"pid": os.getppid(), "serving": {}, "trials": [state, {**state, "since": "2001-01-01T00:00:00+00:00"}]}
    (tmp_path / "workers" / f"{os.getppid()}.json").write_text(json.dumps(other))  # a process that lives
    told = get(ModelPages(registry, workers, LIMITS), "/models/{name}/comparison", name=NAME)
    assert told["model"] == NAME
    assert len(told["trials"]) == 2  # what was seen of an earlier trial of this version is not added
    (both,) = (trial for trial in told["trials"] if not trial["since"].startswith("2001"))
    p50 = {side: seen.pop("p50_ms") for side, seen in both["sides"].items()}
    assert 1.0 <= p50["candidate"] < 1.13
    assert 2.0 <= p50["baseline"] < 2.26
    assert {side: (seen["requests"], seen["errors"]) for side, seen in both["sides"].items()} == {
        "baseline": (2, 0),
        "candidate": (4, 2),
    }
    assert {name: both[name] for name in ("kind", "alias", "baseline", "candidate", "percent")} == {
        "kind": "canary",
        "alias": "production",
        "baseline": first,
        "candidate": second,
        "percent": 25.0,
    }
    assert (both["compared_rows"], both["differing_rows"], both["uncompared_requests"]) == (6, 2, 0)
    assert both["differing_share"] == pytest.approx(1 / 3)
    assert (both["largest_difference"], both["mean_difference"]) == (0.5, pytest.approx(1 / 6))


def test_a_trial_without_requests_has_figures_of_zero(registry: Registry, tmp_path: Path) -> None:
    (told,) = get(ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS), "/models/{name}/comparison", name=NAME)[
        "trials"
    ]
    assert (told["compared_rows"], told["mean_difference"], told["sides"]["candidate"]["p99_ms"]) == (0, 0.0, 0.0)


def test_a_model_without_trials_and_one_that_is_not_served(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    store.withdraw(NAME, "production", canary=True, shadow=True)
    registry.refresh()
    pages = ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS)
    assert get(pages, "/models/{name}/comparison", name=NAME) == {"model": NAME, "trials": []}
    with pytest.raises(UnknownModel, match=r"expected the name of a served model \(one_to_one\); received many_to_many\."):
        get(pages, "/models/{name}/comparison", name="many_to_many")


def test_the_card_says_what_a_model_is_for_and_which_versions_there_are(store: ModelStore, tmp_path: Path) -> None:
    score = Score(
        metric="balanced_accuracy",
        value=0.98,
        low=0.96,
        high=0.99,
        bar=None,
        baselines={"majority": 0.2},
        beats=["majority"],
        rows=9,
    )
    store.root.mkdir()
    publish_own(store, "walks", version="20260101-a")
    curve = [Point(step=10, loss=0.5), Point(step=20, loss=0.25, validation_loss=0.3, metric=0.9, validation_metric=0.8)]
    publish_own(store, "walks", version="20260102-b", score=score, curve=curve)
    store.promote("walks", "candidate", "20260101-a")
    store.promote("walks", "production", "20260102-b")
    registry = Registry(store)
    registry.load_all()
    pages = ModelPages(registry, WorkerStates(tmp_path / "workers"), LIMITS)
    card = get(pages, "/models/{name}", name="walks")
    assert (card["name"], card["version"], card["aliases"], card["default"]) == ("walks", "20260102-b", ["production"], True)
    assert (card["task"], card["topology"], card["layers"], card["scaling"]) == ("classify", "many_to_one", 2, "none")
    assert card["features"][1] == {"name": "y", "unit": "", "domain": {"low": -30.0, "high": 30.0}}
    assert (card["targets"], card["classes"], card["horizon"]) == ([], ["falling", "rising", "waving"], None)
    assert (card["any_length"], card["length"], card["highest_length"], card["data"]) == (True, 8, 50, None)
    assert card["score"] == score.model_dump()
    assert card["curve"] == [point.model_dump() for point in curve]
    assert [(each["version"], each["aliases"], each["score"]) for each in card["versions"]] == [
        ("20260101-a", ["candidate"], None),
        ("20260102-b", ["production"], score.model_dump()),
    ]
    assert card["figures"] == [{"name": "error, held-out rows", "value": 0.01, "bar": 0.03, "at_least": False}]
    (pair,) = card["golden"]
    assert (len(pair["input"]), len(pair["output"])) == (8, 1)
    listed = get(pages, "/models")["models"]
    assert [(each["task"], each["score"] is None) for each in listed] == [("classify", True), ("classify", False)]
    with pytest.raises(UnknownModel, match=r"received walk\. Did you mean walks\?"):
        get(pages, "/models/{name}", name="walk")
