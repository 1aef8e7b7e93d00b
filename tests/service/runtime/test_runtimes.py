"""Which runtime a version gets, and that a worker loads no other."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from contract import translation
from contract.store import ModelStore
from contract.topologies import TOPOLOGIES
from service.errors import ModelNotServed
from service.runtime.runtimes import CannotRun, RuntimeChoice, load
from service.versions.registry import Registry
from tests.conftest import ROOT, Publish
from training.networks import build, export
from training.plan import Network


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with its translation."""
    folder = tmp_path_factory.mktemp("version") / "saved"
    network = Network(TOPOLOGIES["many_to_many"], 5)
    export(build(network, 5, seed=1), network, folder)
    return folder


@pytest.fixture
def untranslated(version: Path) -> Path:
    """The same without it."""
    folder = version.with_name("untranslated")
    if not folder.exists():
        folder.mkdir()
        for part in version.iterdir():
            if part.name != Path(translation.FILE).parent.name:
                (folder / part.name).symlink_to(part)
    return folder


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.runtime.runtimes.find_spec", lambda name: None if name == "tensorflow" else find_spec(name))


def test_a_version_runs_through_its_translation_unless_tensorflow_is_asked_for(version: Path) -> None:
    choices: list[RuntimeChoice] = ["auto", "onnx", "tensorflow"]
    assert [load(version, choice).name for choice in choices] == ["onnx", "onnx", "tensorflow"]
    assert load(version).name == "onnx"


def test_a_version_without_a_translation_runs_on_tensorflow(untranslated: Path) -> None:
    choices: list[RuntimeChoice] = ["auto", "tensorflow"]
    assert [load(untranslated, choice).name for choice in choices] == ["tensorflow", "tensorflow"]


@pytest.mark.usefixtures("without_tensorflow")
def test_a_translation_needs_no_tensorflow(version: Path) -> None:
    choices: list[RuntimeChoice] = ["auto", "onnx"]
    assert [load(version, choice).name for choice in choices] == ["onnx", "onnx"]


def refusal(folder: Path, choice: RuntimeChoice) -> str:
    with pytest.raises(CannotRun) as caught:
        load(folder, choice)
    return str(caught.value)


def test_without_a_translation_the_choice_onnx_refuses_the_version(untranslated: Path) -> None:
    assert refusal(untranslated, "onnx") == (
        "it has no translation (assets.extra/model.onnx), and UNROLL_RUNTIME is onnx. Train it again."
    )


@pytest.mark.usefixtures("without_tensorflow")
def test_a_version_that_needs_tensorflow_is_refused_if_it_is_not_installed(version: Path, untranslated: Path) -> None:
    rest = "and TensorFlow is not installed. Train it again, or use the image built with VARIANT=tensorflow."
    assert refusal(untranslated, "auto") == f"it has no translation (assets.extra/model.onnx), {rest}"
    assert refusal(untranslated, "tensorflow") == refusal(version, "tensorflow") == f"UNROLL_RUNTIME is tensorflow, {rest}"


@pytest.mark.usefixtures("without_tensorflow")
def test_the_registry_says_why_a_version_cannot_run(store: ModelStore, publish: Publish) -> None:
    version = publish().version
    registry = Registry(store)
    with pytest.raises(ModelNotServed, match=f"one_to_one:{version}: it has no translation .* TensorFlow is not installed"):
        registry.load_all()


CHILD = """
import json, os, sys
from functools import partial
from pathlib import Path
from contract.store import ModelStore
from contract.rows import Rows
from service.versions.registry import Registry
from service.runtime.runtimes import load

threads = len(os.listdir("/proc/self/task"))
registry = Registry(ModelStore(Path(sys.argv[1])), {loader})
registry.load_all()
for model in registry.models:
    model.run(Rows.of([[0.1] * 5] * 100_000))
told = {{
    "runtimes": [model.runtime.name for model in registry.models],
    "libraries": sorted({{"tensorflow", "keras", "onnxruntime", "onnx"}} & sys.modules.keys()),
    "more threads": len(os.listdir("/proc/self/task")) - threads,
}}
if "tensorflow" in told["libraries"]:
    threading = sys.modules["tensorflow"].config.threading
    told["threads"] = [threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()]
print(json.dumps(told))
"""


def child(store: Path, home: Path, loader: str) -> dict[str, object]:
    """What a process of its own, in this home, tells that has loaded every version in the store and answered by each."""
    environ = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}  # without what keeps these tests' own ONNX Runtime silent
    command = [sys.executable, "-c", CHILD.format(loader=loader), str(store)]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, object] = json.loads(ended.stdout)
    return told


def test_a_process_that_serves_translations_has_no_tensorflow_no_extra_threads_and_leaves_no_files(
    home: Path, tmp_path: Path
) -> None:
    told = child(home / "models", tmp_path, "load")
    assert told == {"runtimes": ["onnx"] * 3, "libraries": ["onnxruntime"], "more threads": 0}
    assert list(tmp_path.iterdir()) == []  # such as the telemetry of ONNX Runtime: an id, a database, a session


def test_a_process_that_serves_with_tensorflow_has_no_keras_and_one_thread_a_call(home: Path, tmp_path: Path) -> None:
    told = child(home / "models", tmp_path, "partial(load, choice='tensorflow')")
    assert (told["runtimes"], told["libraries"], told["threads"]) == (["tensorflow"] * 3, ["tensorflow"], [1, 1])
