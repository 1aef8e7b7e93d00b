"""`POST /models/{name}/predict` over a real registry and real graphs."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.rows import Floats
from contract.store import ModelStore
from service.engine.engine import Engine
from service.errors import InvalidRequest, InvalidShape, OutOfDomain, TooManyValues, UnknownModel
from service.http.messages import Request
from service.protocols.native import Native
from service.protocols.schemas import NamedPrediction
from service.request_context import Caller
from service.runtime.runtimes import load
from service.versions.registry import Registry
from tests.service.conftest import BARS
from tests.service.own_models import OWN, publish_own, rows_of


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    store = ModelStore(tmp_path_factory.mktemp("home") / "models")
    store.root.mkdir()
    for name in OWN:
        publish_own(store, name)
    registry = Registry(store, partial(load, choice="onnx"))
    registry.load_all()
    assert registry.refusals == []
    assert sorted(registry.served) == sorted(OWN)
    return registry


def ask(registry: Registry, name: str, body: bytes | dict[str, Any], max_items: int = 500_000) -> dict[str, Any]:
    async def asked() -> bytes:
        native = Native(Engine(registry, BARS), max_rows=100, max_items=max_items)
        handle = next(route.handle for route in native.routes if route.path == "/models/{name}/predict")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (await handle(Request(content, Caller(), {"name": name}))).body

    answer = asyncio.run(asked())
    NamedPrediction.model_validate_json(answer)  # as documented
    whole: dict[str, Any] = json.loads(answer)
    return whole


def sequences(rows: list[Floats]) -> dict[str, Any]:
    return {"sequences": [(row[:, 0] if row.shape[1] == 1 else row).astype(float).tolist() for row in rows]}


ANSWERS: dict[str, tuple[str, Callable[[int], tuple[int, ...]]]] = {
    "stocks": ("outputs", lambda steps: (6,)),
    "windows": ("outputs", lambda steps: (3,)),
    "walks": ("probabilities", lambda steps: (3,)),
    "sides": ("probabilities", lambda steps: (steps, 2)),
    "next": ("sequences", lambda steps: (steps, 2)),
    "level": ("sequences", lambda steps: (steps,)),
    "each": ("sequences", lambda steps: (steps,)),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("lengths", [(7,), (7, 7, 7), (3, 1, 40)], ids=str)
def test_each_task_is_answered_in_its_own_form_and_no_company_changes_a_bit(
    registry: Registry, name: str, lengths: tuple[int, ...]
) -> None:
    own = OWN[name]
    lengths = (7,) * len(lengths) if name == "windows" else lengths
    rows = rows_of(own, *lengths)
    answer = ask(registry, name, sequences(rows))
    member, shape = ANSWERS[name]
    classes = ["classes"] * bool(own.says.get("classes")) + ["labels"] * bool(own.says.get("classes"))
    said = {"topology", "model", "version", "task", "domain", "in_domain", "model_input_shape", "model_output_shape"}
    assert answer.keys() == said | {member, *classes}
    assert (answer["model"], answer["topology"], answer["task"]) == (name, own.topology, own.says["task"])
    assert answer["domain"] == [{"name": f.name, "low": f.domain.low, "high": f.domain.high} for f in own.says["features"]]
    assert answer["in_domain"] == [True] * len(rows)
    for row, given in zip(rows, answer[member], strict=True):
        assert np.array(given).shape == shape(len(row))
        alone = ask(registry, name, sequences([row]))
        assert alone[member] == [given]
        if classes:
            (label,) = alone["labels"]
            best = np.array(given).argmax(axis=-1)
            assert label == np.array(answer["classes"])[best].tolist()
            np.testing.assert_allclose(np.sum(given, axis=-1), 1, atol=1e-5)


def test_classes_are_in_the_order_of_the_manifest(registry: Registry) -> None:
    answer = ask(registry, "walks", sequences(rows_of(OWN["walks"], 5, 9)))
    assert answer["classes"] == ["falling", "rising", "waving"]
    assert len(answer["labels"]) == 2
    sides = ask(registry, "sides", sequences(rows_of(OWN["sides"], 5, 9)))
    assert [len(labels) for labels in sides["labels"]] == [5, 9]


FIVE = {"sequences": [[[0.5, 1.0]] * 5]}
EXPECTED = "expected rows of steps of 2 numbers (x, y), [[[...], ...], ...]; received"


@pytest.mark.parametrize(
    ("name", "body", "error", "said"),
    [
        ("walks", {"sequences": [[0.5] * 5]}, InvalidShape, "walks expected steps of 2 numbers (x, y); received plain numbers"),
        ("walks", {"sequences": [[[0.5] * 3]]}, InvalidShape, "walks expected steps of 2 numbers (x, y); received steps of 3"),
        ("walks", {"sequences": []}, InvalidShape, "walks expected at least one row; received none"),
        (
            "walks",
            {"sequences": [[]]},
            InvalidShape,
            "walks expected at least one item in each row; received an empty row at 0",
        ),
        ("walks", {"sequences": [[[1, 2]], []]}, InvalidShape, "received an empty row at 1"),
        ("walks", {"sequences": [[], [[1, 2]]]}, InvalidShape, "received an empty row at 0"),
        ("walks", {"sequences": [[[1, 2], [1]]]}, InvalidRequest, f"{EXPECTED} a step of 1 number at sequences[0][1]. All"),
        (
            "walks",
            {"sequences": [[[1, 2, 3]], [[1, 2]]]},
            InvalidRequest,
            f"{EXPECTED} a step of 3 numbers at sequences[0][0].",
        ),
        ("walks", {"sequences": [[[1]], [[1]]]}, InvalidRequest, f"{EXPECTED} steps of one number. A row is a list of steps"),
        ("walks", {"sequences": [[[]]]}, InvalidRequest, f"{EXPECTED} empty steps."),
        ("walks", {"sequences": [[[1, 2], 3]]}, InvalidRequest, f"{EXPECTED} the number 3 at sequences[0][1]. Put each step"),
        ("walks", {"sequences": [[[1, [2]]]]}, InvalidRequest, f"{EXPECTED} a list at sequences[0][0][1]. A row is"),
        (
            "walks",
            {"sequences": [[[1, 2], [1, "a"]]]},
            InvalidRequest,
            'expected a number; received "a" at sequences[0][1][1].',
        ),
        ("walks", {"sequences": [[[1, 2]], [[1, None]]]}, InvalidRequest, "received null at sequences[1][0][1]."),
        (
            "walks",
            {"sequences": [[[1, 2]], "a"]},
            InvalidRequest,
            'expected a row (a list of steps); received "a" at sequences[1]',
        ),
        ("walks", {"sequences": [[[1, 2], {}]]}, InvalidRequest, "expected a step (a list of numbers); received an object at"),
        ("walks", b'{"sequences": [[[1, 2], [1, NaN]]]}', InvalidRequest, "received NaN at sequences[0][1][1]."),
        ("walks", b'{"sequences": [[[1, 2], [1, 1e400]]]}', InvalidRequest, "received 1e400 at sequences[0][1][1]."),
        ("walks", {"sequences": [[[1, 2]], [[1, 1e39]]]}, InvalidRequest, "received 1e+39 at sequences[1][0][1]."),
        ("walks", {**FIVE, "strict": "yes"}, InvalidRequest, 'expected true or false; received "yes" at strict.'),
        (
            "walks",
            {**FIVE, "strikt": True},
            InvalidRequest,
            'routing_key and strict; received a field "strikt". Did you mean strict?',
        ),
        (
            "level",
            {"sequences": [[[0.5]]]},
            InvalidRequest,
            "expected rows of numbers (x), [[...], ...]; received steps of one",
        ),
        ("level", {"sequences": [[[0.5, 1]]]}, InvalidShape, "level expected plain numbers; received steps of 2 numbers."),
        (
            "level",
            {"sequences": [0.5]},
            InvalidRequest,
            "expected rows of numbers (x), [[...], ...]; received the number 0.5 at",
        ),
        ("windows", FIVE, InvalidShape, "windows expected rows of 7 steps; received rows of 5 steps."),
        ("walk", FIVE, UnknownModel, "received walk. Did you mean walks?"),
        ("many_to_many", FIVE, Exception, "no many_to_many model is published. Train one with: "),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_model(
    registry: Registry,
    name: str,
    body: bytes | dict[str, Any],
    error: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for most in ("LONG_BYTES", "LARGE_BYTES"):  # every reader says the same
        with pytest.raises(error) as caught:
            ask(registry, name, body)
        assert said in str(caught.value)
        assert len(str(caught.value)) < 400
        monkeypatch.setattr(f"service.protocols.native.{most}", 1)
    with pytest.raises(error) as caught:
        ask(registry, name, body)
    assert said in str(caught.value)


def test_rows_of_a_wrong_shape_are_refused_by_the_model_and_not_by_its_topology(registry: Registry) -> None:
    with pytest.raises(InvalidShape, match=r"GET /models/walks\.$") as caught:
        ask(registry, "walks", {"sequences": [[0.5]]})
    assert caught.value.title == "The model cannot take these rows"


@pytest.mark.parametrize("name", ["walks", "level", "next"])
def test_bodies_of_every_size_are_read_alike(registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = sequences(rows_of(OWN[name], 30, 1, 7)) | {"routing_key": "[[[["}
    small = ask(registry, name, body)
    monkeypatch.setattr("service.protocols.native_reader.PART_BYTES", 8)
    for most in ("LARGE_BYTES", "LONG_BYTES"):
        monkeypatch.setattr(f"service.protocols.native.{most}", 1)
        assert ask(registry, name, body) == small


@pytest.mark.parametrize("long", [False, True])
def test_numbers_are_counted_and_not_steps(registry: Registry, long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if long:
        monkeypatch.setattr("service.protocols.native.LONG_BYTES", 1)
    assert ask(registry, "walks", FIVE, max_items=10)["labels"]
    with pytest.raises(TooManyValues, match="expected at most 9 items in one request; received 10"):
        ask(registry, "walks", FIVE, max_items=9)
    with pytest.raises(TooManyValues, match="expected at most 100 rows in one request; received 101"):
        ask(registry, "walks", {"sequences": [[[1, 2]]] * 101})


@pytest.mark.parametrize(
    ("name", "rows", "in_domain", "expected", "received"),
    [
        ("walks", [[[0, 0]], [[0, 0], [0, 31]]], [True, False], "y from -30 up to 30", "31 in row 1, step 1"),
        ("walks", [[[3, 0]], [[0, 0]]], [False, True], "x from -3 up to 3", "3 in row 0, step 0"),
        ("walks", [[[0, 0]] * 50, [[0, 0]] * 51], [True, False], "rows of at most 50 steps", "51 steps in row 1"),
        ("level", [[0.0], [0.0, 4.0]], [True, False], "x from -3 up to 3", "4 in row 1, step 1"),
        ("level", [[0.0] * 51], [False], "rows of at most 50 steps", "51 steps in row 0"),
    ],
)
def test_rows_outside_the_domain_are_told_apart_and_refused_if_the_request_is_strict(
    registry: Registry, name: str, rows: list[Any], in_domain: list[bool], expected: str, received: str
) -> None:
    assert ask(registry, name, {"sequences": rows})["in_domain"] == in_domain
    assert ask(registry, name, {"sequences": rows, "strict": False})["in_domain"] == in_domain
    with pytest.raises(OutOfDomain) as caught:
        ask(registry, name, {"sequences": rows, "strict": True})
    version = registry.served[name].default.manifest.version
    said = f"expected {expected}, as {name}:{version} was trained and gated; received {received}."
    assert caught.value.detail.startswith(said)
    assert (caught.value.status, caught.value.extra["row"]) == (422, in_domain.index(False))
    inside = {"sequences": [rows[in_domain.index(True)]] if True in in_domain else [[0.0]], "strict": True}
    assert ask(registry, name, inside)["in_domain"] == [True]


def test_where_each_step_is_a_sample_of_its_own_a_row_has_any_length(registry: Registry) -> None:
    assert ask(registry, "each", {"sequences": [[[0, 0]] * 51], "strict": True})["in_domain"] == [True]


def test_a_version_of_other_features_is_asked_by_its_own(tmp_path: Path) -> None:
    """Where production has two features, an older version has one."""
    store = ModelStore(tmp_path / "models")
    store.root.mkdir()
    one, two = publish_own(store, "level"), publish_own(store, "next")
    for manifest, version in ((one, "20200101-a"), (two, "20200101-b")):
        copy = manifest.model_copy(update={"name": "both", "version": version, "files": {}})

        def fill(staging: Path, old: str = f"{manifest.name}/{manifest.version}", new: str = f"both/{version}") -> None:
            (staging / "both").mkdir()
            (store.root / old).rename(staging / new)
            (staging / new / "manifest.json").unlink()

        store.publish(copy, fill)
    registry = Registry(store, partial(load, choice="onnx"), keep_previous=2)
    registry.load_all()
    registry.load_pinned("both", "20200101-a")
    assert registry.served["both"].default.manifest.version == "20200101-b"
    assert len(ask(registry, "both", {"sequences": [[[1, 2]]]})["domain"]) == 2
    assert len(ask(registry, "both", {"sequences": [[1, 2]], "model_version": "20200101-a"})["domain"]) == 1
    with pytest.raises(InvalidShape, match="both expected plain numbers; received steps of 2 numbers"):
        ask(registry, "both", {"sequences": [[[1, 2]]], "model_version": "20200101-a"})
