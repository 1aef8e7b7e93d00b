"""One service for all that it survives, on a small disk of its own where that can be had; each fault is reported."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.asking import until
from tests.e2e.conftest import serving, supervisor_of
from tests.faults.service import WORKERS, Load, Service

DISK_MB = 48
Report = Callable[..., None]


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own at `folder`; whether there is one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def two_workers(home: Path) -> Iterator[Service]:
    with serving(home) as url:
        service = Service(url, home, supervisor_of(url))
        until(service.whole)
        yield service


@pytest.fixture(scope="package")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    folder = tmp_path_factory.mktemp("faults") / "disk"
    with small_disk(folder) as mounted:
        yield folder, mounted


@pytest.fixture(scope="package")
def service(home: Path, disk: tuple[Path, bool]) -> Iterator[Service]:
    own, _ = disk
    (own / "tmp").mkdir()
    (own / "models").symlink_to(home / "models")
    with pytest.MonkeyPatch.context() as environ:
        for name, value in {
            "UNROLL_WORKERS": str(WORKERS),
            "UNROLL_BODY_SECONDS": "2",
            "UNROLL_HEADER_SECONDS": "4",
            "UNROLL_MAX_WAITING_MS": "2000",  # a busy machine is no fault of these
            "UNROLL_WATCH_SECONDS": "0.5",
            "UNROLL_DRAIN_SECONDS": "1",
            "UNROLL_GRACE_SECONDS": "15",
            "TMPDIR": str(own / "tmp"),
        }.items():
            environ.setenv(name, value)
        with two_workers(own) as serves:
            yield serves


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Puts a row of docs/reliability.md into the test's properties, where `benchmarks/faults.py` reads it."""

    def row(fault: str, load: Load, whole_seconds: float | None, note: str = "") -> None:
        record_property("fault", fault)
        for name in ("requests", "lost", "refused", "wrong"):
            record_property(name, getattr(load.toll, name))
        record_property("whole_seconds", "" if whole_seconds is None else f"{whole_seconds:.2f}")
        record_property("slowest_ms", f"{load.slowest_seconds * 1e3:.0f}")
        record_property("note", note)

    return row
