"""The peers' model and the hand-written application, with random weights."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.peers import model as peers
from contract.rows import Floats
from training.translation import Weights, save

UNITS = 3


def weights(features: int, outputs: int = 1) -> Weights:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Floats:
        return rng.standard_normal(shape).astype(np.float32)

    return Weights(some(features, 4 * UNITS), some(UNITS, 4 * UNITS), some(4 * UNITS), some(UNITS, outputs), some(outputs))


@pytest.fixture
def folder(tmp_path: Path, features: int) -> Path:
    save(weights(features), per_step=True, scaling=None, folder=tmp_path)
    return tmp_path


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    save(weights(8, outputs=3), per_step=False, scaling=None, folder=tmp_path, softmax=True)
    (tmp_path / "manifest.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    return tmp_path


@pytest.mark.parametrize("features", [1])
def test_rows_of_one_feature_are_lists_of_numbers(folder: Path) -> None:
    rows = np.random.default_rng(1).random((2, 5), np.float32)
    model = peers.load(str(folder))
    together = model(rows.tolist())
    assert together.shape == (2, 5)
    assert np.array_equal(together[1:], model(rows[1:]))
    assert np.array_equal(together[..., None], model(rows[..., None]))


@pytest.mark.parametrize("features", [1, 8])
def test_the_hand_written_application_answers_any_features(
    folder: Path, features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", str(folder))
    from benchmarks.peers import bare_onnx  # noqa: PLC0415 - it loads its model when it is imported

    monkeypatch.setattr(bare_onnx, "model", peers.load())
    steps = np.random.default_rng(1).random((2, 7, features), np.float32)
    rows = steps if features > 1 else steps[..., 0]
    answer = asked(bare_onnx.app, orjson.dumps({"sequences": rows}, option=orjson.OPT_SERIALIZE_NUMPY))
    assert np.array_equal(np.array(answer["sequences"], np.float32), peers.load()(rows))


def test_a_classifier_is_answered_with_labels_and_probabilities(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", str(classifier))
    from benchmarks.peers import bare_onnx  # noqa: PLC0415

    model = peers.load()
    monkeypatch.setattr(bare_onnx, "model", model)
    steps = np.random.default_rng(1).standard_normal((5, 7, 8)).astype(np.float32)
    answer = asked(bare_onnx.app, orjson.dumps({"sequences": steps}, option=orjson.OPT_SERIALIZE_NUMPY))
    assert answer.keys() == {"labels", "probabilities"}
    probabilities = np.array(answer["probabilities"], np.float32)
    assert np.array_equal(probabilities, model(steps))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert answer["labels"] == ["abc"[number] for number in probabilities.argmax(axis=1)]
    assert model.plain_answer(steps.tolist()) == {"labels": answer["labels"], "probabilities": model(steps).tolist()}


def asked(app: Any, body: bytes) -> Any:
    """The answer to a body that comes in two pieces."""
    received: list[dict[str, Any]] = [{"body": body[:9], "more_body": True}, {"body": body[9:]}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http"}, receive, send))
    head, answer = sent
    assert head["status"] == 200
    assert dict(head["headers"])[b"content-length"] == b"%d" % len(answer["body"])
    return json.loads(answer["body"])
