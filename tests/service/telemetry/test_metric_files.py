import os
import subprocess
import sys
from pathlib import Path

from service.telemetry import metric_files
from tests.conftest import ROOT


def test_files_that_workers_share_have_their_blocks_on_the_disk(tmp_path: Path) -> None:
    """Else a full disk would kill the worker that writes next."""
    files = shared(tmp_path)
    assert {path.name.partition("_")[0] for path in files} >= {"gauge", "counter"}
    assert {path.stat().st_size for path in files} == {metric_files.FILE_BYTES}


def test_files_that_have_grown_have_their_new_blocks_too(tmp_path: Path) -> None:
    files = shared(tmp_path, "[metrics.items.labels('model', str(n)) for n in range(10_000)]; metric_files.reserve()")
    assert max(path.stat().st_size for path in files) > metric_files.FILE_BYTES


def shared(folder: Path, then: str = "") -> list[Path]:
    """The files of a process that has some metrics, reserves their blocks, and does more; all of their blocks are there."""
    code = "from service.telemetry import metric_files, metrics; metrics.ready_workers.set(1); "
    code += "metrics.requests.labels('a', 'b').inc(); metric_files.reserve()"
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", f"{code}; {then}"], env=environ, check=True, timeout=60)
    files = list(folder.glob("*.db"))
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in files)
    return files
