"""How the service starts: from an empty store, from a damaged one, from a bento."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from contract.hints import typed
from contract.store import ModelStore
from loadtests.processes import free_port, home_environment, process
from tests.asking import get, post, until
from tests.conftest import ROOT, environment
from tests.e2e.conftest import BENTOML, serving, workers_of

REQUEST = {"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]}


def test_an_empty_store_says_in_one_line_what_to_type(tmp_path: Path) -> None:
    with environment(tmp_path):
        command = [str(BENTOML), "serve", "service.app:Unroll", "--port", "0"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert re.fullmatch(rf"No models in {tmp_path}/models\. Train them with: \S*(python -m )?unroll train", line)


def test_a_store_of_broken_versions_is_said_in_one_line(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "models", tmp_path / "models")
    for manifest in tmp_path.rglob("manifest.json"):
        manifest.unlink()
    ended = unroll_serve(tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    said = f"No model in {tmp_path}/models is whole. See why with: {typed('models')}"
    assert ended.stderr.splitlines()[1:] == [said]


def unroll_serve(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`unroll serve`, where it cannot start."""
    with environment(home):
        command = [sys.executable, "-m", "unroll", "serve", "--port", "0", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_until_it_says_ready_connections_are_refused_and_then_its_own_request_is_answered(home: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    more = {**home_environment(home), "UNROLL_WORKERS": "2"}
    with process([sys.executable, "-m", "unroll", "serve", "--port", str(port)], log, more) as service:
        while (answered := asked(port)) == "refused":
            assert service.poll() is None, log.read_text()
        assert answered == "200"
        until(lambda: "\ntry: " in log.read_text())
        lines = log.read_text().splitlines()
        assert lines[0].startswith(f"store: {home}/models (BENTOML_HOME")
        assert [line.split()[0] for line in lines[1:4]] == ["many_to_many", "many_to_one_5", "one_to_one"]
        assert all(line.split()[2] == "production" for line in lines[1:4])
        url = f"http://127.0.0.1:{port}"
        assert lines[4:6] == [f"ready: {url}", f"page:  {url}/"]
        assert lines[6].startswith(f"try:   curl -s {url}/models/")
        curl = ["bash", "-c", lines[6].removeprefix("try:")]
        done = subprocess.run(curl, capture_output=True, text=True, check=True, timeout=30)
        assert json.loads(done.stdout)["in_domain"] == [True]
        until(lambda: len(workers_of(psutil.Process(service.pid))) == 2)
        for worker in workers_of(psutil.Process(service.pid)):
            worker.kill()
        until(lambda: asked(port) == "refused")  # before, one may be reset
        while (again := asked(port)) == "refused":
            assert service.poll() is None, log.read_text()
        assert again == "200"
        service.send_signal(signal.SIGINT)
        assert service.wait(30) == 0
    later = log.read_text().splitlines()[7:]
    assert [line for line in later if "has ended with -9" not in line] == lines[1:7]  # ready once more, and no word of the end


def asked(port: int) -> str:
    """What a connection meets now: `refused`, or the status of its answer. Fails where it is left waiting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return client.recv(64).decode().split(" ")[1]
    except ConnectionRefusedError:
        return "refused"
    except ConnectionError:
        return "reset"


def test_a_busy_port_is_said_in_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = unroll_serve(home, "--port", str(taken.getsockname()[1]))
    assert (ended.returncode, ended.stdout) == (1, "")
    (_, line) = ended.stderr.splitlines()
    assert re.fullmatch(r"Port \d+ of 127\.0\.0\.1 is taken by process \d+ \(.*\)\. End .* another port with --port\.", line)


def test_a_damaged_newest_version_is_refused_and_the_one_before_it_served(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "models", tmp_path / "models")
    store = ModelStore(tmp_path / "models")
    (good,) = store.versions("many_to_many")
    damaged = store.path("many_to_many", good).with_name("99999999-damaged")
    shutil.copytree(store.path("many_to_many", good), damaged)
    half = damaged.with_name("99999999-half")
    shutil.copytree(damaged, half)
    (half / "manifest.json").unlink()
    (tmp_path / "models" / "many_to_many" / "aliases.json").unlink()
    with serving(tmp_path) as url:
        answer = post(f"{url}/many_to_many", json=REQUEST).json()
        refused = get(f"{url}/models").json()["refused"]
    assert answer["version"] == good
    assert {r["version"]: r["reason"].split(":")[0] for r in refused} == {
        "99999999-damaged": "manifest.json belongs to many_to_many",
        "99999999-half": "manifest.json cannot be read",
    }


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would give a stranger: the files that are tracked, or would be."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(clone: Path, home: Path) -> str:
    with environment(home):
        command = [str(BENTOML), "build", "--output", "tag"]
        built = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout.strip().splitlines()[-1].removeprefix("__tag__:")


def test_a_bento_answers_the_same_elsewhere_and_holds_no_training(home: Path, url: str, clone: Path, tmp_path: Path) -> None:
    tag = build(clone, home)
    with environment(home):
        exported = tmp_path / "unroll.bento"
        subprocess.run([str(BENTOML), "export", tag, str(exported)], check=True, capture_output=True, timeout=120)
    with environment(tmp_path / "elsewhere"):
        subprocess.run([str(BENTOML), "import", str(exported)], check=True, capture_output=True, timeout=120)
    name, _, version = tag.partition(":")
    source = tmp_path / "elsewhere" / "bentos" / name / version / "src"
    assert sorted(p.name for p in source.iterdir()) == ["README.md", "bentofile.yaml", "contract", "service"]

    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "elsewhere", tag, tmp_path / "empty") as elsewhere:
        for topology in ("one_to_one", "many_to_one", "many_to_many"):
            here, there = (post(f"{at}/{topology}", json=REQUEST).json() for at in (url, elsewhere))
            assert here == there
        assert get(f"{elsewhere}/page/main.js").text == (ROOT / "service" / "page" / "assets" / "main.js").read_text()


def test_a_bento_builds_before_any_model_is_trained(clone: Path, tmp_path: Path) -> None:
    tag = build(clone, tmp_path)
    with environment(tmp_path):
        shown = subprocess.run([str(BENTOML), "get", tag, "-o", "json"], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(shown.stdout)["services"][0]["models"] == []


def test_beyond_this_machine_it_does_not_start_without_keys(home: Path) -> None:
    with environment(home):
        command = [str(BENTOML), "serve", "service.app:Unroll", "--host", "0.0.0.0", "--port", "0"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert line.startswith("0.0.0.0 can be reached from other machines, and there are no keys. Name a file of keys")


def test_a_file_of_keys_that_is_not_there_is_said_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLL_KEYS_FILE", str(tmp_path / "keys"))
    with environment(home):
        command = [str(BENTOML), "serve", "service.app:Unroll", "--port", "0"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert line.startswith(f"{tmp_path / 'keys'} cannot be read: No such file or directory. UNROLL_KEYS_FILE names it. Make it")


def test_workers_share_the_work_and_metrics_are_summed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_WORKERS", "2")
    monkeypatch.setenv("UNROLL_ALLOW_OPEN", "true")
    with serving(home, host="0.0.0.0") as url:
        for _ in range(20):  # a new connection each, so that both workers get some
            assert post(f"{url}/many_to_many", json=REQUEST).status_code == 200
        until(lambda: counted(get(f"{url}/metrics").text) >= 20)  # another worker's come a little later
        assert counted(get(f"{url}/metrics").text) == 20


def counted(metrics: str) -> int:
    return sum(map(int, re.findall(r'unroll_requests_total{outcome="ok",route="/many_to_many"} (\d+)', metrics)))
