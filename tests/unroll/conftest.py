"""A store with a model of each kind, their weights random, and one real service for all these tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
import pytest

from contract.rows import Floats
from contract.store import ModelStore
from tests.e2e.conftest import serving
from tests.service.own_models import ECHOES, OWN, publish_own, rows_of
from unroll import Client, Model, load

KINDS: Final = OWN | ECHOES


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME."""
    home = tmp_path_factory.mktemp("kinds")
    store = ModelStore(home / "models")
    for name in KINDS:
        store.promote(name, "production", publish_own(store, name).version)
    return home


@pytest.fixture(scope="session")
def kinds_url(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The store is not BentoML's own: these versions have no model.yaml."""
    with serving(tmp_path_factory.mktemp("served"), settings={"UNROLL_MODELS_DIR": str(kinds / "models")}) as url:
        yield url


@pytest.fixture
def client(kinds_url: str) -> Iterator[Client]:
    with Client(kinds_url) as client:
        yield client


@pytest.fixture(scope="session")
def models(kinds: Path) -> dict[str, Model]:
    return {name: load(name, store=kinds) for name in KINDS}


def given(name: str, rows: int = 40) -> list[Floats]:
    """Rows (steps, F) of several lengths, where the model takes them; some are out of the domain."""
    own = KINDS[name]
    lengths = np.random.default_rng(3).integers(1, 12, rows).tolist()
    drawn = rows_of(own, *(lengths if own.says.get("any_length", True) else [own.length] * rows))
    drawn[1][0, 0] = 1e3
    return drawn


def over_http(url: str, name: str, rows: list[Floats], **fields: Any) -> dict[str, Any]:
    """The service's answer, without our client."""
    sequences = [(row[:, 0] if row.shape[1] == 1 else row).astype(float).tolist() for row in rows]
    answer = httpx2.post(f"{url}/models/{name}/predict", json={"sequences": sequences, **fields}, timeout=60)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
