"""Reports in a real browser: the pictures are drawn, and nothing is asked of the network."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.report import capacity_page, serving_page, soak_page
from tests.benchmarks.report.figures import capacity_result, serving_results, soak_result

CHROMIUM = "/usr/bin/chromium"
PAGES: dict[str, tuple[Callable[[], str], str]] = {
    "capacity": (lambda: capacity_page.html(capacity_result(990.0, 1010.0)), "CPU-seconds per million answers"),
    "soak": (lambda: soak_page.html(soak_result()), "MB, all processes"),
    "serving": (lambda: serving_page.html(serving_results()), "latency, ms: p50"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_report_is_drawn_without_a_request(name: str, tmp_path: Path) -> None:
    draw, axis = PAGES[name]
    page = tmp_path / "page.html"
    page.write_text(draw())
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
    ]
    command = [CHROMIUM, *quiet, "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    drawn = re.sub(r"<script>.*?</script>", "", done.stdout, flags=re.DOTALL)
    assert "<svg" in drawn
    assert axis in drawn
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []  # a request would be refused, and said so
