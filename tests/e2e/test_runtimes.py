"""What runs the versions of a real service, and what is refused where it cannot: by worker, by version, by setting."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import numpy as np
import onnx
import psutil  # type: ignore[import-untyped]
import pytest
from onnx import numpy_helper

from contract import translation
from contract.atomic_files import hash_files
from contract.store import ModelStore
from contract.store_reader import MANIFEST
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from tests.e2e.conftest import serving, supervisor_of, workers_of

NAME = "many_to_many"
PACKED = Path(translation.PACKED)
ROWS = [np.random.default_rng(1).random(5, np.float32).astype(float).tolist() for _ in range(7)]
RAGGED = [np.random.default_rng(2).random(length, np.float32).astype(float).tolist() for length in (1, 700, 2, 33)]


def answers(url: str, topology: str, rows: list[list[float]], **fields: str) -> dict[str, Any]:
    answer = httpx2.post(f"{url}/{topology}", json={"sequences": rows, **fields}, timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def models(url: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx2.get(f"{url}/models", timeout=30).json()
    return told


def close(one: dict[str, Any], other: dict[str, Any]) -> None:
    for ours, theirs in zip(one["sequences"], other["sequences"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def tensorflow_in(worker: psutil.Process) -> list[str]:
    """The libraries of TensorFlow that this process has in its memory."""
    return [mapped.path for mapped in worker.memory_maps() if "tensorflow" in mapped.path]


def test_no_worker_has_tensorflow_in_its_memory(url: str) -> None:
    assert {model["runtime"] for model in models(url)["models"]} == {"onnx"}
    for topology in TOPOLOGY_NAMES:
        answers(url, topology, ROWS)
    workers = workers_of(supervisor_of(url))
    assert workers
    assert [tensorflow_in(worker) for worker in workers] == [[]] * len(workers)


def test_told_to_use_tensorflow_it_serves_the_same_versions(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_RUNTIME", "tensorflow")
    asked: list[tuple[TopologyName, list[list[float]]]] = [(topology, ROWS) for topology in TOPOLOGY_NAMES]
    asked += [("one_to_one", RAGGED), ("many_to_many", RAGGED)]
    with serving(home) as reference:
        assert {model["runtime"] for model in models(reference)["models"]} == {"tensorflow"}
        for topology, rows in asked:
            here, there = (answers(at, topology, rows) for at in (url, reference))
            assert here["version"] == there["version"]
            close(here, there)
        assert all(tensorflow_in(worker) for worker in workers_of(supervisor_of(reference)))


class Store(NamedTuple):
    home: Path
    trained: str  # the version that was trained
    untranslated: str  # the same without its translation: older services have published such
    damaged: dict[str, str]  # newer versions whose translation is not what it should be, and why each is refused


@pytest.fixture(scope="module")
def store(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("runtimes")
    shutil.copytree(home / "models" / NAME, folder / "models" / NAME)
    (folder / "models" / NAME / "aliases.json").unlink()
    models = ModelStore(folder / "models")
    (trained,) = models.versions(NAME)
    untranslated = publish(models, trained, "99999999-1-untranslated", lambda file: shutil.rmtree(file.parent))
    damaged = {
        publish(models, trained, f"99999999-2-{what}", spoil): why
        for what, spoil, why in (
            ("garbage", lambda file: file.write_bytes(b"no graph"), "INVALID_PROTOBUF"),
            ("packed", lambda file: (file.parent / PACKED.name).write_bytes(b"no graph"), "INVALID_PROTOBUF"),
            ("other", rename_an_input, "expected a graph of ('sequences', 'lengths', 'h', 'c')"),
            ("wrong", shift, "golden pair 0 differs by 0.5"),
        )
    }
    flipped = publish(models, trained, "99999999-3-flipped", lambda file: None)
    flip(models.path(NAME, flipped) / translation.FILE)
    return Store(folder, trained, untranslated, {**damaged, flipped: f"{translation.FILE} is changed"})


def publish(store: ModelStore, trained: str, version: str, spoil: Callable[[Path], object]) -> str:
    """A copy of the trained version with another translation, true to its hashes."""
    manifest = store.verify(NAME, trained).model_copy(update={"version": version})

    def fill(staging: Path) -> None:
        folder = staging / NAME / version
        shutil.copytree(store.path(NAME, trained), folder)
        spoil(folder / translation.FILE)

    assert store.publish(manifest, fill).files == hash_files(store.path(NAME, version), but=MANIFEST)
    return version


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def rename_an_input(file: Path) -> None:
    model = onnx.load(file)
    (lengths,) = [given for given in model.graph.input if given.name == "lengths"]
    lengths.name = "steps"
    for node in model.graph.node:
        node.input[:] = ["steps" if name == "lengths" else name for name in node.input]
    onnx.save(model, file)


def shift(file: Path) -> None:
    """Every answer by 0.5."""
    model = onnx.load(file)
    (bias,) = [constant for constant in model.graph.initializer if constant.name == "head_bias"]
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.5), "head_bias"))
    onnx.save(model, file)


def refused(told: dict[str, Any]) -> dict[str, str]:
    return {refusal["version"]: refusal["reason"] for refusal in told["refused"]}


def test_a_version_without_a_translation_is_served_by_tensorflow_and_damaged_translations_are_refused(store: Store) -> None:
    with serving(store.home) as url:
        newest = answers(url, NAME, RAGGED)  # of those that are whole
        trained = answers(url, NAME, RAGGED, model_version=store.trained)
        told = models(url)
        lost = httpx2.post(f"{url}/{NAME}", json={"sequences": ROWS, "model_version": next(iter(store.damaged))}, timeout=30)
    assert (newest["version"], trained["version"]) == (store.untranslated, store.trained)
    close(newest, trained)
    runtimes = {model["version"]: model["runtime"] for model in told["models"]}
    assert runtimes == {store.untranslated: "tensorflow", store.trained: "onnx"}
    assert refused(told).keys() == store.damaged.keys()
    for version, why in store.damaged.items():
        assert why in refused(told)[version]
    assert (lost.status_code, "is refused" in lost.json()["detail"]) == (404, True)


def test_told_to_use_onnx_it_refuses_a_version_without_a_translation_and_says_why(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLL_RUNTIME", "onnx")
    with serving(store.home) as url:
        assert answers(url, NAME, ROWS)["version"] == store.trained
        told = models(url)
    assert [model["runtime"] for model in told["models"]] == ["onnx"]
    assert refused(told).keys() == {store.untranslated, *store.damaged}
    assert refused(told)[store.untranslated] == (
        "it has no translation (assets.extra/model.onnx), and UNROLL_RUNTIME is onnx. Train it again."
    )
