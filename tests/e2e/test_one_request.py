"""The files that one request passes are those that docs/architecture.md lists, in that order."""

import json
import re
import socket
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import serving

TRACER = """
import sys

root, out = {root!r}, {out!r}
way = []

def enter(frame, event, _argument):
    name = frame.f_code.co_filename
    if event != "call" or not name.startswith((root + "/service/", root + "/contract/")):
        return
    if frame.f_code.co_name == "data_received":  # the request before is done
        with open(out, "a") as file:
            file.write(" ".join(way) + "\\n")
        way.clear()
    path = name[len(root) + 1 :]
    if path not in way:
        way.append(path)

sys.setprofile(enter)
"""
BODY = json.dumps({"sequences": [[0.1, 0.2], [0.3, 0.4]]}).encode()
REQUEST = (
    b"POST /many_to_many HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (
        len(BODY),
        BODY,
    )
)
REQUESTS = 10
FLOOR = {"service", "telemetry", "contract"}


def listed() -> list[str]:
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## One request")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", page, re.MULTILINE)


def room(path: str) -> str:
    return Path(path).parts[1] if path.startswith("service/") and path.count("/") == 2 else Path(path).parts[0]


def test_a_request_passes_the_files_that_the_architecture_lists(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TRACER.format(root=str(ROOT), out=str(tmp_path / "way")))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serving(home) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            for _ in range(REQUESTS):
                connection.sendall(REQUEST)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
    ways = Counter((tmp_path / "way").read_text().splitlines()).most_common(1)  # not those with the first, or with a timer's
    assert ways[0][0].split() == listed()


def test_it_is_a_short_way_and_enters_no_room_twice_before_the_model_runs() -> None:
    files = listed()
    assert len(files) <= 20
    inwards = files[: next(number for number, path in enumerate(files) if room(path) == "runtime") + 1]
    rooms = [room(path) for path in inwards if room(path) not in FLOOR]
    entered = [name for number, name in enumerate(rooms) if number == 0 or rooms[number - 1] != name]
    assert entered == ["connection", "http", "security", "overload", "protocols", "engine", "runtime"]
