"""The real thing, once for the room: models trained by the command line, a real `bentoml serve`, real sockets on loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from loadtests.target import free_port, started

ROOT = Path(__file__).parents[2]
BENTOML = Path(sys.executable).with_name("bentoml")


@contextmanager
def environment(home: Path) -> Iterator[None]:
    """Child processes started in this block take `home` for their BENTOML_HOME."""
    settings = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "TF_CPP_MIN_LOG_LEVEL": "2"}
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


@contextmanager
def serving(home: Path, target: str = "service.app:Unroll", folder: Path = ROOT) -> Iterator[str]:
    """The address of a service that lives in this block, started in `folder`."""
    port = free_port()
    command = [str(BENTOML), "serve", target, "--host", "127.0.0.1", "--port", str(port), "--working-dir", str(folder)]
    with environment(home), started(command, f"http://127.0.0.1:{port}", home / "service.log") as url:
        yield url


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME in which all three topologies have been trained, gated and published."""
    folder = tmp_path_factory.mktemp("home")
    with environment(folder):
        command = [sys.executable, "-m", "training", "run", "--runs", str(folder / "runs")]
        trained = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    return folder


@pytest.fixture(scope="session")
def url(home: Path) -> Iterator[str]:
    with serving(home) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http
