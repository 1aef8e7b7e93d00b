"""A real `bentoml serve` on loopback, which all these tests share."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from loadtests.processes import BIN, SERVICE, bentoml_serve, free_port, started
from tests.conftest import ROOT, environment

BENTOML = BIN / "bentoml"


@contextmanager
def serving(
    home: Path,
    target: str = SERVICE,
    folder: Path = ROOT,
    scheme: str = "http",
    host: str = "127.0.0.1",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:
    """The address of a service that runs in `folder` for this block. `scheme` must suit its settings.

    Only its start sees `settings` and its BENTOML_HOME: other tests run while it does.
    """
    port = free_port()
    command = [*bentoml_serve(port, target, host), "--working-dir", str(folder)]
    with ExitStack() as running:
        with environment(home, settings):
            url = running.enter_context(started(command, f"{scheme}://127.0.0.1:{port}", home / "service.log"))
        yield url


def supervisor_of(url: str) -> psutil.Process:
    """The supervisor that `serving` started for this address."""
    (supervisor,) = [child for child in psutil.Process().children() if str(urlsplit(url).port) in child.cmdline()]
    return supervisor


def workers_of(supervisor: psutil.Process) -> list[psutil.Process]:
    return [child for child in supervisor.children() if "_bentoml_impl.worker.service" in child.cmdline()]


@pytest.fixture(scope="session")
def url(home: Path) -> Iterator[str]:
    with serving(home) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as http:
        yield http
