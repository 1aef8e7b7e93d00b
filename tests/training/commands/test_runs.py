import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contract.manifest import Figure
from tests.conftest import ROOT
from tests.training.runs.test_record import written
from training.commands.main import cli
from training.runs.record import FIGURES, begin, folders, read


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    return tmp_path


def test_without_runs_the_list_says_how_to_make_one(tmp_path: Path) -> None:
    result = call("runs", "--runs", str(tmp_path))
    assert result.exit_code == 0
    assert result.output == f"No runs in {tmp_path} yet: `make train` (or `python -m training run`) makes one.\n"
    assert json.loads(call("runs", "--runs", str(tmp_path), "--json").output) == []


def test_retrained_models_are_candidates_listed_shown_and_promoted_when_told(home: Path) -> None:
    runs = str(home / "runs")
    retrain = ("retrain", "--topology", "one_to_one", "--recipe", "tutorial", "--runs", runs)
    assert call(*retrain, "--seed", "26", "--promote").exit_code == 0
    assert call(*retrain).exit_code in (0, 1)  # of a seed of its own, whatever that gives
    first, second = (read(folder) for folder in folders(home / "runs"))
    assert (first.plan.alias, second.plan.alias) == ("production", "candidate")
    assert (first.plan.seed, second.status.compared_with) == (26, first.plan.version)
    assert second.plan.seed > 1_000_000

    listed = call("runs", "--runs", runs).output
    assert listed.index(second.folder.name) < listed.index(first.folder.name)
    (line,) = [line for line in listed.splitlines() if first.folder.name in line]
    assert "published" in line
    assert "1,000/1,000" in line
    newest, oldest = json.loads(call("runs", "--runs", runs, "--json").output)
    assert (newest["id"], oldest["id"]) == (second.folder.name, first.folder.name)
    assert (oldest["status"], oldest["step"], oldest["published_version"]) == ("published", 1_000, first.plan.version)
    assert oldest["plan"]["seed"] == 26
    assert oldest["plan"]["data"] is None

    shown = call("runs", "--runs", runs, "show", "last").output
    for word in (second.folder.name, "seed", str(second.plan.seed), "against production", "log.txt"):
        assert word in shown
    assert json.loads(call("runs", "--runs", runs, "show", first.folder.name, "--json").output) == oldest

    again = call("resume", "--runs", runs, first.folder.name)
    assert again.exit_code == 0
    assert "has ended: published. There is nothing left to do." in again.output


def test_a_run_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    for command in (("resume", "x", "--runs", str(tmp_path)), ("runs", "--runs", str(tmp_path), "show", "x")):
        result = call(*command)
        assert result.exit_code == 1
        assert f"{tmp_path} has no run x" in result.output


def test_a_spoilt_record_does_not_hide_the_others(tmp_path: Path) -> None:
    for version in ("1", "2"):
        with begin(tmp_path, written(tmp_path, version)) as run:
            run.end("interrupted")
    (run.folder / "status.json").write_text("half")
    result = call("runs", "--runs", str(tmp_path))
    assert result.exit_code == 0
    assert "1-one_to_one" in result.output
    assert f"{run.folder} cannot be read" in result.output


def test_figures_of_a_run_that_went_astray_are_json_all_the_same(tmp_path: Path) -> None:
    with begin(tmp_path, written(tmp_path)) as run:
        astray = Figure(name="held-out", value=math.inf, bar=0.05)
        (run.folder / "gate.json").write_bytes(FIGURES.dump_json([astray]))
        run.end("refused")
    (listed,) = json.loads(call("runs", "--runs", str(tmp_path), "--json").output, parse_constant=pytest.fail)
    assert listed["worst"]["value"] is None
    assert listed["gate"][0]["bar"] == 0.05


def test_what_to_type_to_go_on_names_the_interpreter_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin(tmp_path, written(tmp_path)) as run:
        run.end("interrupted")
    monkeypatch.setattr(sys, "executable", str(tmp_path.resolve() / ".venv/bin/python"))
    monkeypatch.chdir(tmp_path)
    shown = call("runs", "--runs", str(tmp_path), "show", "last").output
    assert f"go on with: .venv/bin/python -m training resume {run.folder.name} --runs {tmp_path}\n" in shown


def test_the_list_needs_no_tensorflow(tmp_path: Path) -> None:
    program = "import sys; from training.commands.main import cli; cli(['runs'], standalone_mode=False); "
    program += "print('tensorflow' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[-1] == "False"


def test_ctrl_c_while_tensorflow_is_loaded_is_a_sentence(tmp_path: Path) -> None:
    program = (
        "import os, signal; from training.commands.runs import heavy_imports\n"
        "with heavy_imports(): os.kill(os.getpid(), signal.SIGINT); import training.job; print('went on')"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 128 + signal.SIGINT
    assert result.stdout.split("\n", 1)[1] == "Interrupted. Nothing had begun.\n"
