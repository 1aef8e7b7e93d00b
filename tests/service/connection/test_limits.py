import logging
import resource
import subprocess
import sys

import pytest

from service.connection.limits import OTHER_FILES, SPARE, raise_open_files
from tests.conftest import ROOT


def test_as_many_files_as_connections_need_may_be_open() -> None:
    program = (
        "import resource; from service.connection.limits import raise_open_files\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "raise_open_files(200); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.stderr) == (f"{200 + SPARE + OTHER_FILES}\n", "")


def test_enough_is_left_as_it_is_and_too_few_are_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_open_files(1)
    assert caplog.records == []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_000, 1_000))
    with caplog.at_level(logging.WARNING):
        raise_open_files(976)
    assert caplog.messages == ["no more than 1000 files may be open (ulimit -Hn); UNROLL_MAX_CONNECTIONS needs 2256"]
    monkeypatch.undo()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
