"""A supervisor that is killed, and two services on one BENTOML_HOME."""

import os
import re
import signal
import socket
import threading
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from loadtests.client import why_not_ready
from loadtests.processes import NotServing, bentoml_serve, free_port, home_environment, process, wait
from tests.asking import get, post, until
from tests.e2e.conftest import workers_of

REQUEST = {"sequences": [[0.0, 0.2, 0.4]]}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_workers_end_with_a_supervisor_that_is_killed_under_load(home: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with process(bentoml_serve(port), log, {**home_environment(home), "UNROLL_WORKERS": "2"}) as supervisor:
        wait(supervisor, log, lambda: why_not_ready(url))
        until(lambda: len(workers_of(psutil.Process(supervisor.pid))) == 2)
        workers = workers_of(psutil.Process(supervisor.pid))
        asking = threading.Event()
        asked = threading.Thread(target=ask_until_it_ends, args=(url, asking))
        asked.start()
        assert asking.wait(30)
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
        _, alive = psutil.wait_procs(workers, timeout=30)
        asked.join(30)
        assert (alive, is_free(port)) == ([], True)


def ask_until_it_ends(url: str, asking: threading.Event) -> None:
    while True:
        try:
            post(f"{url}/many_to_many", json=REQUEST)
        except Exception:
            return
        asking.set()


def counted(url: str) -> int:
    text = get(f"{url}/metrics").text
    found = re.search(r'^unroll_requests_total\{outcome="ok",route="/many_to_many"\} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_services_on_one_home_count_apart_although_others_start_and_fail(home: Path, tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    first, second = (f"http://127.0.0.1:{port}" for port in ports)
    with process(bentoml_serve(ports[0]), tmp_path / "first.log", home_environment(home)) as one:
        wait(one, tmp_path / "first.log", lambda: why_not_ready(first))
        for number in range(1, 3):
            assert post(f"{first}/many_to_many", json=REQUEST).status_code == 200
            with process(bentoml_serve(ports[0]), tmp_path / "fails.log", home_environment(home)) as failing:
                with pytest.raises(NotServing, match=rf"Port {ports[0]} of 127\.0\.0\.1 is taken by process \d+"):
                    wait(failing, tmp_path / "fails.log", lambda: "not ready")
                assert failing.returncode == 1
            until(lambda number=number: counted(first) == number)  # type: ignore[misc]
        with process(bentoml_serve(ports[1]), tmp_path / "second.log", home_environment(home)) as two:
            wait(two, tmp_path / "second.log", lambda: why_not_ready(second))
            assert post(f"{second}/many_to_many", json=REQUEST).status_code == 200
            until(lambda: counted(second) == 1)
            assert counted(first) == 2
