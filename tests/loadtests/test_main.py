"""`python -m loadtests` as users run it: a process with Locust as its child, and a fake service on loopback."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.topologies import TOPOLOGY_NAMES
from loadtests.__main__ import main
from loadtests.processes import ROOT, free_port

REPORTS = ["report.html", "report_failures.csv", "report_stats.csv", "summary.json"]


def run(url: str, reports: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests", "--url", url, "--reports", str(reports), "--users", "3", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def row(output: str, topology: str) -> dict[str, float]:
    """A line of the printed table."""
    cells = next(line.split() for line in output.splitlines() if line.split()[:1] == [topology])
    names = ("requests", "per_second", "p50", "p95", "p99", "failures", "wrong")
    return dict(zip(names, (float(cell.replace(",", "")) for cell in cells[1:]), strict=True))


def test_right_answers_pass(fake: Callable[..., str], tmp_path: Path) -> None:
    done = run(fake(), tmp_path, "--duration", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: all " in done.stdout
    assert done.stderr == ""
    for topology in TOPOLOGY_NAMES:
        measured = row(done.stdout, topology)
        assert measured["requests"] > 0
        assert measured["failures"] == measured["wrong"] == 0
    folder = next(tmp_path.iterdir())
    for name in REPORTS:
        assert (folder / name).stat().st_size > 0
        assert f"{folder / name}\n" in done.stdout
    total = (folder / "report_stats.csv").read_text().splitlines()[-1]
    assert f"all {int(total.split(',')[2]):,} answers" in done.stdout  # the CSV holds the last second, too


def test_wrong_answers_and_failures_fail(fake: Callable[..., str], tmp_path: Path) -> None:
    def answer(topology: str, sequences: list[list[float]]) -> tuple[int, Any]:
        if topology == "one_to_one":
            return 503, {"title": "overloaded", "status": 503}
        flipped = [[1 - item for item in row] for row in sequences]
        return 200, {"topology": topology, "sequences": flipped, "in_domain": [True] * len(flipped)}

    models = [{"topology": "one_to_one", "length": 5}, {"topology": "many_to_many", "length": 5}]
    done = run(fake(answer, models), tmp_path, "--duration", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "serves no many_to_one model: no user sends many_to_one requests" in done.stdout
    assert "\n many_to_one " not in done.stdout
    refused, wrong = row(done.stdout, "one_to_one"), row(done.stdout, "many_to_many")
    assert (refused["failures"], refused["wrong"]) == (refused["requests"], 0)
    assert wrong["requests"] == wrong["failures"] == wrong["wrong"] > 0
    assert f"one_to_one: {refused['requests']:,.0f} x status 503" in done.stdout
    assert f"many_to_many: {wrong['wrong']:,.0f} x wrong answer: values differ by more than 0.05" in done.stdout
    assert f"FAILED: {wrong['wrong']:,.0f} wrong answers; {refused['failures']:,.0f} failed requests" in done.stdout
    assert done.stderr.count("overloaded") == done.stderr.count("expected 0.") == 1  # each kind in full, once


def test_ctrl_c_still_prints_what_was_measured(fake: Callable[..., str], tmp_path: Path) -> None:
    enough = threading.Semaphore(0)

    def answer(topology: str, sequences: list[list[float]]) -> tuple[int, Any]:
        enough.release()
        return 200, {"topology": topology, "sequences": sequences, "in_domain": [True] * len(sequences)}

    command = [sys.executable, "-m", "loadtests", "--url", fake(answer), "--reports", str(tmp_path), "--duration", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            assert enough.acquire(timeout=30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, output + errors
    assert "interrupted before the end of the shape" in output
    assert sum(row(output, topology)["requests"] for topology in TOPOLOGY_NAMES) >= 20
    assert all((next(tmp_path.iterdir()) / name).exists() for name in REPORTS)


def test_an_address_without_a_service_exits_with_2(tmp_path: Path) -> None:
    done = run(f"http://127.0.0.1:{free_port()}", tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("loadtests: nothing is ready at http://127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--url", "localhost:3000"], ["--users", "2"], ["--duration", "0"], ["--shape", "flat"]])
def test_invalid_options_exit_with_2_and_their_name(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_help_tells_the_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Half an hour of steady traffic" in capsys.readouterr().out


def test_the_command_itself_does_not_import_locust() -> None:
    code = "import sys, loadtests.__main__; print([m for m in ('gevent', 'locust', 'service', 'training') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
