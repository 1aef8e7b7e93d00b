"""What happens around the processes: no files, no disk, no store, no collector, another time of day."""

import ast
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import repeat
from pathlib import Path

import pytest

from tests.asking import get, post, until
from tests.conftest import ROOT
from tests.faults.conftest import Report, two_workers
from tests.faults.service import JSON, PATH, WORKERS, Service, nobody_notices, under_load


@contextmanager
def without_descriptors(service: Service) -> Iterator[None]:
    """Every worker may open four more files, and connections that say nothing take them."""
    limits = {worker: worker.rlimit(resource.RLIMIT_NOFILE) for worker in service.workers}
    try:
        for worker, (_, hard) in limits.items():
            worker.rlimit(resource.RLIMIT_NOFILE, (worker.num_fds() + 4, hard))
        with ExitStack() as idle:
            for _ in range(64):
                idle.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            until(lambda: any(worker.num_fds() == worker.rlimit(resource.RLIMIT_NOFILE)[0] for worker in limits))
            yield
    finally:
        for worker, limit in limits.items():
            worker.rlimit(resource.RLIMIT_NOFILE, limit)


def test_without_file_descriptors_it_answers_those_that_are_connected(service: Service, report: Report) -> None:
    with under_load(service) as load:
        load.begin_fault()
        with without_descriptors(service):
            load.goes_on(150)
        restored = time.monotonic()
        until(service.whole)
        load.goes_on()
    last = max((o.due + o.took - restored for o in load.lost), default=0.0)
    assert set(load.statuses) <= {0, 200}
    assert load.toll.wrong == 0
    assert len(service.workers) == WORKERS
    before = service.gauge("unroll_cpu_seconds_total")
    until(lambda: service.gauge("unroll_cpu_seconds_total") > before)  # they go on looking after themselves
    note = "from when descriptors are free; until then new connections wait or break"
    report("no file descriptors left in any worker", load, max(0.0, last), note)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte more goes onto its disk."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            file.writelines(repeat(bytes(2**12)))
        yield
    finally:
        filler.unlink()


def test_with_a_full_disk_it_serves_on(service: Service, disk: tuple[Path, bool], report: Report) -> None:
    folder, mounted = disk
    if not mounted:
        pytest.skip("no file system of its own can be mounted here (it takes root)")
    workers = service.workers
    with under_load(service) as load:
        load.begin_fault()
        with filled(folder):
            load.goes_on()
            for path, body in ((PATH, b"{"), (PATH, b"[]"), ("/nowhere", b"")):  # counted under names that are new
                assert post(f"{service.url}{path}", content=body, headers=JSON).status_code in (404, 422, 400)
            assert len(get(f"{service.url}/models").json()["workers"]) == WORKERS
            load.goes_on()
        until(service.whole)
        load.goes_on()
    assert service.workers == workers
    nobody_notices(load)
    report("the disk full", load, load.failing_seconds)


def test_a_worker_does_not_start_on_a_full_disk_and_says_so_in_one_line(disk: tuple[Path, bool]) -> None:
    folder, mounted = disk
    if not mounted:
        pytest.skip("no file system of its own can be mounted here (it takes root)")
    metrics = folder / "metrics"
    metrics.mkdir()
    with filled(folder):
        environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        command = [sys.executable, "-c", "import service.app"]
        ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == f"No room for the metrics of a worker in {metrics}: No space left on device.\n"


def test_without_its_store_it_serves_what_it_has(service: Service, report: Report) -> None:
    models = service.home / "models"
    away = models.rename(models.with_name("away"))
    try:
        with under_load(service) as load:
            load.begin_fault()
            load.goes_on(200)
            assert len(get(f"{service.url}/models").json()["models"]) == 3
            by_alias = {"sequences": [[0.1]], "model_version": "production"}
            assert post(f"{service.url}/many_to_many", json=by_alias).status_code == 200
            away.rename(models)
            load.goes_on()
    finally:
        if not models.exists():
            away.rename(models)
    nobody_notices(load)
    report("the store removed for 2 s", load, load.failing_seconds)


OF_DAY = {"tracing.py": {"time.time_ns"}, "keys.py": {"datetime.now"}}
"""Who may ask for the time of day: when a span was, when a new key expires."""
CLOCK = """
import os, time
file = os.open(os.environ["CLOCK"], os.O_RDONLY)
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + float(os.pread(file, 16, 0))
time.time_ns = lambda: real_ns() + int(float(os.pread(file, 16, 0)) * 1e9)
"""
"""A `sitecustomize` that gives a process another time of day; that of the machine is everybody's."""


def set_clock(clock: Path, days: int) -> None:
    with clock.open("r+b") as file:
        file.write(f"{days * 86400:16d}".encode())


@pytest.fixture(scope="module")
def shaken(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    """A service that traces every request for a collector that is not there, and the file that sets its time of day."""
    folder = tmp_path_factory.mktemp("shaken")
    (folder / "models").symlink_to(home / "models")
    (folder / "sitecustomize.py").write_text(CLOCK)
    clock = folder / "clock"
    clock.write_bytes(bytes(16))
    set_clock(clock, 0)
    settings = {"UNROLL_WORKERS": str(WORKERS), "UNROLL_TRACE_SAMPLE": "1", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    settings |= {"UNROLL_MAX_WAITING_MS": "2000", "CLOCK": str(clock), "PYTHONPATH": f"{folder}:{ROOT}"}
    with socket.socket() as nobody, pytest.MonkeyPatch.context() as environ:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: connections are refused
        environ.setenv("UNROLL_OTLP_ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        for name, value in settings.items():
            environ.setenv(name, value)
        with two_workers(folder) as serves:
            yield serves, clock


def test_a_collector_that_is_gone_costs_no_request(shaken: tuple[Service, Path], report: Report) -> None:
    service, _ = shaken
    with under_load(service) as load:
        load.begin_fault()
        load.goes_on(200)
    nobody_notices(load)
    report("the OTLP endpoint gone, every request traced", load, load.failing_seconds)


def test_the_time_of_day_may_jump(shaken: tuple[Service, Path], report: Report) -> None:
    service, clock = shaken
    with under_load(service) as load:
        load.begin_fault()
        for days in (30, -30, 0):
            set_clock(clock, days)
            until(lambda days=days: abs(days_ahead(service) - days) < 5)  # type: ignore[misc]
            load.goes_on()
    nobody_notices(load)
    report("the clock set 30 days ahead, 60 back, and right again", load, load.failing_seconds)


def days_ahead(service: Service) -> float:
    """Of the service's clock, by the dates of its answers."""
    date = parsedate_to_datetime(get(f"{service.url}/livez").headers["date"])
    return (date - datetime.now(UTC)).total_seconds() / 86400


def test_nothing_in_the_service_measures_with_the_time_of_day() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        called = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
        of_day = called & {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.localtime", "time.gmtime"}
        assert of_day <= OF_DAY.get(path.name, set()), path
