import logging
import resource
import subprocess
import sys

import pytest

from service.connection.open_files import OTHERS, make_room
from tests.conftest import ROOT


def test_as_many_files_as_connections_need_may_be_open() -> None:
    program = (
        "import resource; from service.connection.open_files import make_room\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "make_room(200); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.stderr) == (f"{200 + OTHERS}\n", "")


def test_enough_is_left_as_it_is_and_too_few_are_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    make_room(1)
    assert caplog.records == []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_000, 1_000))
    with caplog.at_level(logging.WARNING):
        make_room(2_000)
    assert caplog.messages == ["no more than 1000 files may be open (ulimit -Hn); UNROLL_MAX_CONNECTIONS needs 2256"]
    monkeypatch.undo()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
