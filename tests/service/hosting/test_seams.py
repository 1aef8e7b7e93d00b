"""Each seam is broken in turn; e2e tests of a service that then does not start are in tests/e2e/test_seams.py."""

from pathlib import Path
from typing import Any

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from circus.arbiter import Arbiter
from prometheus_client import mmap_dict
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from service.hosting import seams
from service.hosting.seams import SEAMS, DoesNotFit, verify
from tests.conftest import ROOT


def test_all_fit_the_libraries_that_are_installed() -> None:
    verify()


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (HttpToolsProtocol, "_start_asgi_task", r"uvicorn \S+, which lacks _start_asgi_task: `HttpToolsProtocol` is extended"),
        (httptools_impl, "STATUS_LINE", r"uvicorn \S+, which lacks STATUS_LINE: `STATUS_LINE` is read"),
        (Server, "handle_exit", r"uvicorn \S+, which lacks handle_exit: `Server` is replaced"),
        (Arbiter, "manage_watchers", r"circus \S+, which lacks manage_watchers: `Arbiter.start`"),
        (mmap_dict, "_INITIAL_MMAP_SIZE", r"prometheus_client \S+, which lacks _INITIAL_MMAP_SIZE: counts are"),
    ],
)
def test_a_name_that_a_library_no_longer_has_is_told(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, told: str) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(DoesNotFit, match=f"^unroll does not fit {told}"):
        verify()


def test_a_cycle_of_which_uvicorn_reads_more_than_a_stand_in_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def shutdown(self: HttpToolsProtocol) -> None:
        self.cycle.renamed = True  # type: ignore[attr-defined]

    monkeypatch.setattr(HttpToolsProtocol, "shutdown", shutdown)
    with pytest.raises(DoesNotFit, match="lacks renamed: the request cycle has stand-ins"):
        verify()


def test_a_cycle_without_what_a_stand_in_sets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "CYCLE", ("more_body", "renamed"))
    with pytest.raises(DoesNotFit, match="lacks renamed: the request cycle has stand-ins"):
        verify()


def test_a_container_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BentoMLContainer, "http", object())
    with pytest.raises(DoesNotFit, match=r"lacks http\.host: its address"):
        verify()


def test_a_configuration_without_an_option_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uvicorn.config.Config", lambda http, headers, ssl_context_factory: None)
    with pytest.raises(DoesNotFit, match="lacks lifespan: `Config`"):
        verify()


def test_the_documentation_has_the_table() -> None:
    page = Path(ROOT / "docs" / "architecture.md").read_text()
    for seam in SEAMS:
        assert f"| {seam.library} | {seam.what} | {seam.why} | {seam.gain} |" in page
