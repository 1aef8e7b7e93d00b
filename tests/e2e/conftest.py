"""The real thing, once for the room: a real `bentoml serve` and real sockets on loopback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from loadtests.target import free_port, started
from tests.conftest import ROOT, environment

BENTOML = Path(sys.executable).with_name("bentoml")


@contextmanager
def serving(
    home: Path, target: str = "service.app:Unroll", folder: Path = ROOT, scheme: str = "http", host: str = "127.0.0.1"
) -> Iterator[str]:
    """The address of a service that lives in this block, started in `folder`; `scheme` is what its settings make it speak."""
    port = free_port()
    command = [str(BENTOML), "serve", target, "--host", host, "--port", str(port), "--working-dir", str(folder)]
    with environment(home), started(command, f"{scheme}://127.0.0.1:{port}", home / "service.log") as url:
        yield url


@pytest.fixture(scope="session")
def url(home: Path) -> Iterator[str]:
    with serving(home) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http
