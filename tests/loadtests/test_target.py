"""The service under test is found, started and ended; a fault gives one line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from loadtests.client import why_not_ready
from loadtests.processes import NotServing, end, free_port, started
from loadtests.target import served, target
from tests.loadtests.fake_models import BY_NAME, card


def test_served_reads_the_card_of_each_model(fake: Callable[..., str]) -> None:
    before = {**BY_NAME["stocks"], "version": "1"}
    found = served(fake(models=[BY_NAME["stocks"], before, BY_NAME["kinds"], BY_NAME["many_to_one_5"]]))
    assert [(model.name, model.version, model.task) for model in found] == [
        ("kinds", "2", "classify"),
        ("many_to_one_5", "2", "echo"),
        ("stocks", "2", "forecast"),
    ]
    kinds, echo, stocks = found
    assert [model.path for model in found] == ["/models/kinds/predict", "/many_to_one", "/models/stocks/predict"]
    assert [model.layout for model in found] == ["class", "numbers", "outputs"]
    assert [model.outputs for model in found] == [4, 5, 3]
    assert [(each.domain.low, each.domain.high) for each in kinds.features] == [(0, 1), (-1, 1), (10, 20)]
    assert (stocks.any_length, stocks.length, echo.golden_tolerance) == (False, 7, 1e-5)
    assert [pair.model_dump() for pair in stocks.golden] == card(BY_NAME["stocks"])["golden"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "serves no model"),
        ([{"topology": "rnn"}], "/models is not what a load test needs: models.0.name: Field required"),
        ([{**BY_NAME["kinds"], "name": "lost"}], "/models/lost answers 404; is this the unroll service"),
        (None, "not what a load test needs"),
    ],
)
def test_no_models_or_another_service_is_an_error(fake: Callable[..., str], models: object, message: str) -> None:
    with pytest.raises(NotServing, match=message):
        served(fake(models=models))


def test_an_address_that_is_ready_is_used(fake: Callable[..., str], tmp_path: Path) -> None:
    url = fake()
    with target(url, port=1, log=tmp_path / "log") as found:
        assert found == url


def test_the_local_port_is_used_when_it_is_ready(fake: Callable[..., str], tmp_path: Path) -> None:
    url = fake()
    with target(None, port=int(url.rpartition(":")[2]), log=tmp_path / "log") as found:
        assert found == url
    assert not (tmp_path / "log").exists()


def test_a_given_address_that_is_not_ready_is_an_error(fake: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(NotServing, match="/readyz answers 503"), target(fake(ready=503), port=1, log=tmp_path / "log"):
        pass
    with pytest.raises(NotServing, match="refused"), target(f"http://127.0.0.1:{free_port()}", port=1, log=tmp_path / "log"):
        pass


def test_a_taken_port_is_an_error(fake: Callable[..., str]) -> None:
    port = int(fake().rpartition(":")[2])
    with pytest.raises(NotServing, match=f"port {port} "):
        free_port(port)


def test_a_started_service_lives_as_long_as_the_block(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "readyz").touch()
    port = free_port()
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(site), str(port)]
    with started(command, f"http://127.0.0.1:{port}", tmp_path / "reports" / "log") as url:
        assert why_not_ready(url) is None
    assert why_not_ready(url) is not None
    assert "Serving HTTP" in (tmp_path / "reports" / "log").read_text()


def test_a_service_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no store')"]
    with (
        pytest.raises(NotServing, match=r"ended with 1 before it was ready.*\nno store"),
        started(command, f"http://127.0.0.1:{free_port()}", tmp_path / "log"),
    ):
        pass


def test_a_service_that_stays_unready_is_ended(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)",
    ]
    with (
        pytest.raises(NotServing, match=r"not ready within 1 s: .*refused"),
        started(command, f"http://127.0.0.1:{free_port()}", tmp_path / "log", patience=1),
    ):
        pass
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_end_kills_workers_that_ignore_sigterm() -> None:
    worker = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    parent = (
        f"import subprocess, sys; w = subprocess.Popen([sys.executable, '-c', {worker!r}], start_new_session=True); w.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        worker_process = psutil.Process(process.pid).children()[0]
        end(process)
        worker_process.wait(5)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
