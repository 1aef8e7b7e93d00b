"""Shared by all tests: a store with a tiny model, and a home with trained models."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from contract.atomic_files import locked
from contract.manifest import Domain, Figure, GoldenPair, Manifest, Quantity
from contract.store import ModelStore, new_version
from contract.topologies import TOPOLOGIES, TopologyName
from loadtests.processes import home_environment
from tests.training.forked import Training

ROOT = Path(__file__).parents[1]
Publish = Callable[..., Manifest]
LONGEST = [
    (ROOT / "tests" / name).resolve(strict=True)
    for name in (
        "training/test_job.py",
        "training/fitting/test_epochs.py",
        "e2e/test_named_models.py",
        "training/test_fit.py",
        "e2e/test_own_data.py",
        "deploy/test_alerts.py",
        "training/commands/test_train.py",
        "e2e/test_start.py",
        "training/gate/test_fidelity.py",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files. Otherwise one process works on its last file long after the others have ended."""
    place = {path: number for number, path in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def make_manifest(
    topology: TopologyName = "one_to_one", version: str | None = None, length: int = 5, **others: Any
) -> Manifest:
    """An echo's; `others` are fields with other values."""
    shape = TOPOLOGIES[topology]
    item = [0.1]
    fields: dict[str, Any] = {
        "name": shape.echo_name(length),
        "version": version or new_version(),
        "topology": topology,
        "features": [quantity("value")],
        "length": length,
        "any_length": shape.per_step,
        "highest_length": 1000,
        "units": 5,
        "parameters": shape.parameters(5, outputs=1 if shape.per_step else length).total,
        "recipe": "general",
        "seed": 1,
        "steps": 1,
        "run_id": "run",
        "created": datetime.now(UTC),
        "commit": "unknown",
        "libraries": {},
        "signatures": ("serving_default",),
        "gate": [Figure(name="error, held-out rows", value=0.01, bar=0.03)],
        "golden": [GoldenPair(input=[item] * length, output=[item] * length if shape.per_step else [item * length])],
    }
    return Manifest(**fields | others)


def data_facts(shortest: int, longest: int) -> dict[str, Any]:
    """Of a manifest, for data whose rows have so many steps."""
    counts = dict.fromkeys(("sequences_train", "sequences_held_out", "rows_train", "rows_held_out"), 20)
    rows = {"length": longest, "shortest": shortest, "stride": 1, "rows_validation": 0, **counts}
    split = {"split": "by sequence", "split_seed": 1, "held_out_fraction": 0.2}
    return {"file": "own.npz", "sha256": "0" * 64, **rows, **split}


def quantity(name: str, low: float = 0.0, high: float = 1.0, unit: str = "") -> Quantity:
    return Quantity(name=name, unit=unit, domain=Domain(low=low, high=high))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def publish(store: ModelStore) -> Publish:
    """A function that publishes a version with one small file, `weights`."""

    def publish(topology: TopologyName = "one_to_one", version: str | None = None, length: int = 5, **others: Any) -> Manifest:
        manifest = make_manifest(topology, version, length, **others)

        def fill(staging: Path) -> None:
            folder = staging / manifest.name / manifest.version
            folder.mkdir(parents=True)
            (folder / "weights").write_bytes(b"0123")

        return store.publish(manifest, fill)

    return publish


def close_folder(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let reading the folder fail, as it does for a user without the right to; root may read everything."""
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    patch.setattr(Path, "iterdir", refuse)


@contextmanager
def environment(home: Path, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Child processes that start in this block have `home` as their BENTOML_HOME, and these variables."""
    settings = {**home_environment(home), **more}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with a trained, gated and published model of each topology."""
    folder = tmp_path_factory.mktemp("home", numbered=False)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _train(folder)
        return folder
    shared = tmp_path_factory.getbasetemp().parent / "trained"  # one worker trains for all, and each has a copy
    with locked(shared.parent):
        if not shared.exists():
            _train(folder)
            shutil.copytree(folder, shared)
            return folder
    shutil.copytree(shared, folder, dirs_exist_ok=True)
    return folder


def _train(folder: Path) -> None:
    arguments = ("run", "--runs", str(folder / "runs"), "--topology")
    others = ("one_to_one", "--topology", "many_to_many")
    few = "many_to_one", "--steps", "30000"  # half of its recipe's
    with Training(folder, *arguments, *few) as slowest, Training(folder, *arguments, *others) as both:
        for process in (slowest, both):
            code, shown = process.finish()
            assert code == 0, shown
