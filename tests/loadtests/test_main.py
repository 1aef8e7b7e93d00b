"""`python -m loadtests` as users run it: a process with Locust as its child, and a fake service on loopback."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.__main__ import load
from loadtests.processes import ROOT, free_port
from loadtests.report import Summary
from tests.loadtests import fake_models
from tests.loadtests.fake_models import BY_NAME, ECHOES

REPORTS = ["report.html", "report_failures.csv", "report_stats.csv", "summary.json"]


def run(url: str, reports: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests", "--url", url, "--reports", str(reports), "--users", "3", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def row(output: str, model: str) -> dict[str, float]:
    """A line of the printed table."""
    cells = next(line.split() for line in output.splitlines() if line.split()[:1] == [model])
    names = ("requests", "per_second", "p50", "p95", "p99", "failures", "wrong")
    return dict(zip(names, (float(cell.replace(",", "")) for cell in cells[1:]), strict=True))


def test_right_answers_pass(fake: Callable[..., str], tmp_path: Path) -> None:
    done = run(fake(), tmp_path, "--duration", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: all " in done.stdout
    assert done.stderr == ""
    for model in BY_NAME:
        measured = row(done.stdout, model)
        assert measured["requests"] > 0
        assert measured["failures"] == measured["wrong"] == 0
    assert "kinds (classify)" in done.stdout
    assert "another version" not in done.stdout
    folder = next(tmp_path.iterdir())
    for name in REPORTS:
        assert (folder / name).stat().st_size > 0
        assert f"{folder / name}\n" in done.stdout
    total = (folder / "report_stats.csv").read_text().splitlines()[-1]
    assert f"all {int(total.split(',')[2]):,} answers" in done.stdout  # the CSV holds the last second, too


def test_wrong_answers_and_failures_fail(fake: Callable[..., str], tmp_path: Path) -> None:
    def answer(model: dict[str, Any], asked: dict[str, Any]) -> tuple[int, Any]:
        right = fake_models.answer(model, asked)
        if "model_version" in asked:
            return 200, right  # to a row alone
        match model["name"]:
            case "one_to_one":
                return 503, {"title": "overloaded", "status": 503}
            case "stocks":
                return 200, {**right, "outputs": [[item + 1 for item in row] for row in right["outputs"]]}
            case _:
                return 200, {**right, "version": "3"}  # as after a swap

    models = [BY_NAME[name] for name in ("one_to_one", "stocks", "kinds")]
    done = run(fake(answer, models), tmp_path, "--duration", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    refused, wrong, swapped = (row(done.stdout, name) for name in ("one_to_one", "stocks", "kinds"))
    assert (refused["failures"], refused["wrong"]) == (refused["requests"], 0)
    assert wrong["requests"] == wrong["failures"] == wrong["wrong"] > 0
    assert swapped["requests"] > swapped["failures"] == 0
    assert f"kinds: {swapped['requests']:,.0f} answers came from another version than at the start" in done.stdout
    assert f"one_to_one: {refused['requests']:,.0f} x status 503" in done.stdout
    assert " x wrong answer: values differ from the answer to the row alone" in done.stdout
    assert f"FAILED: {wrong['wrong']:,.0f} wrong answers; {refused['failures']:,.0f} failed requests" in done.stdout
    assert done.stderr.count("overloaded") == done.stderr.count("differ from the answer to the row alone") == 1  # once, in full


def test_a_wrong_answer_to_a_row_alone_ends_before_the_load(fake: Callable[..., str], tmp_path: Path) -> None:
    def answer(model: dict[str, Any], asked: dict[str, Any]) -> tuple[int, Any]:
        return 200, {**fake_models.answer(model, asked), "labels": ["z"]}

    done = run(fake(answer, [BY_NAME["kinds"]]), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("loadtests: kinds, drawn row 0 alone: wrong answer: a label is not the most probable class: ")
    assert len(done.stderr.splitlines()) == 1


def test_locust_itself_asks_the_service_for_its_models(fake: Callable[..., str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--shape-seconds", "1"]
    command += ["--host", fake(models=[BY_NAME["phases"]]), "--summary", str(tmp_path / "summary.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = Summary.model_validate_json((tmp_path / "summary.json").read_bytes())
    assert summary.passed
    assert [figures.model for figures in summary.figures] == ["phases"]


def test_ctrl_c_still_prints_what_was_measured(fake: Callable[..., str], tmp_path: Path) -> None:
    enough = threading.Semaphore(0)

    def answer(model: dict[str, Any], asked: dict[str, Any]) -> tuple[int, Any]:
        enough.release()
        return 200, fake_models.answer(model, asked)

    command = [sys.executable, "-m", "loadtests", "--url", fake(answer, ECHOES), "--reports", str(tmp_path), "--duration", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            assert enough.acquire(timeout=30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, output + errors
    assert "interrupted before the end of the shape" in output
    assert sum(row(output, model["name"])["requests"] for model in ECHOES) >= 20
    assert all((next(tmp_path.iterdir()) / name).exists() for name in REPORTS)


def test_an_address_without_a_service_exits_with_2(tmp_path: Path) -> None:
    done = run(f"http://127.0.0.1:{free_port()}", tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("loadtests: nothing is ready at http://127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--url", "localhost:3000"], ["--users", "0"], ["--duration", "0"], ["--shape", "flat"]])
def test_invalid_options_exit_with_2_and_their_name(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load(options)
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_help_tells_the_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(["--help"])
    assert "Half an hour of steady traffic" in capsys.readouterr().out


def test_the_command_itself_does_not_import_locust() -> None:
    code = "import sys, loadtests.__main__; print([m for m in ('gevent', 'locust', 'service', 'training') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
