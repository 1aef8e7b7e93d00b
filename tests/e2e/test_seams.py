"""A service one of whose seams does not hold does not start."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment
from tests.e2e.conftest import BENTOML

IGNORED = """
import sys, types, uvicorn

class Deaf(types.ModuleType):
    def __setattr__(self, name, value):
        if name != {name!r}:
            super().__setattr__(name, value)

sys.modules["uvicorn"].__class__ = Deaf
"""
"""As if BentoML no longer asked uvicorn's module for the class that the service has put there."""
NO_LIFESPAN = """
import functools, uvicorn.config

made = uvicorn.config.Config.__init__

@functools.wraps(made)
def make(self, *arguments, **options):
    made(self, *arguments, **options | {"lifespan": "off"})

uvicorn.config.Config.__init__ = make
"""
RENAMED = "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol; del HttpToolsProtocol._start_asgi_task"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (RENAMED, "which lacks _start_asgi_task: `HttpToolsProtocol` is extended"),
        (IGNORED.format(name="Server"), "This worker cannot start: its server is uvicorn.server.Server, not unroll's."),
        (IGNORED.format(name="Config"), "This worker cannot start: uvicorn's lifespan is auto, not on."),
        (NO_LIFESPAN, "This worker cannot start: uvicorn's lifespan is off, not on."),
    ],
    ids=["a missing private name", "another server", "another configuration", "no lifespan"],
)
def test_it_ends_and_says_why(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, said: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(before)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with environment(home):
        command = [str(BENTOML), "serve", "service.app:Unroll", "--port", "0"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
