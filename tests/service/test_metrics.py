import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_files_that_workers_share_have_their_blocks_on_the_disk(tmp_path: Path) -> None:
    """Else a full disk would kill the worker that writes next."""
    code = (
        "from service import metrics; metrics.ready_workers.set(1); metrics.requests.labels('a', 'b').inc(); metrics.reserve()"
    )
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=60)
    files = list(tmp_path.glob("*.db"))
    assert {file.name.partition("_")[0] for file in files} >= {"gauge", "counter"}
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size > 0 for file in files)
