import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contract.hints import typed
from contract.manifest import Figure
from tests.conftest import ROOT
from tests.training.runs.test_plan import written
from training.commands.main import cli
from training.runs.record import FIGURES, begin


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_without_runs_the_list_says_how_to_make_one(tmp_path: Path) -> None:
    result = call("runs", "--runs", str(tmp_path))
    assert result.exit_code == 0
    assert result.output == f"No runs in {tmp_path} yet: `{typed('train')}` makes one.\n"
    assert json.loads(call("runs", "--runs", str(tmp_path), "--json").output) == []


def test_a_missing_run_is_one_line_and_exits_1(tmp_path: Path) -> None:
    for command in (("resume", "x", "--runs", str(tmp_path)), ("runs", "--runs", str(tmp_path), "show", "x")):
        result = call(*command)
        assert result.exit_code == 1
        assert f"{tmp_path} has no run x" in result.output


def test_a_damaged_record_does_not_hide_the_others(tmp_path: Path) -> None:
    for version in ("1", "2"):
        with begin(tmp_path, written(tmp_path, version)) as run:
            run.end("interrupted")
    (run.folder / "status.json").write_text("half")
    result = call("runs", "--runs", str(tmp_path))
    assert result.exit_code == 0
    assert "1-one_to_one" in result.output
    assert f"{run.folder} cannot be read" in result.output


def test_infinite_figures_are_null_in_json(tmp_path: Path) -> None:
    with begin(tmp_path, written(tmp_path)) as run:
        diverged = Figure(name="held-out", value=math.inf, bar=0.05)
        (run.folder / "gate.json").write_bytes(FIGURES.dump_json([diverged]))
        run.end("refused")
    (listed,) = json.loads(call("runs", "--runs", str(tmp_path), "--json").output, parse_constant=pytest.fail)
    assert listed["worst"]["value"] is None
    assert listed["gate"][0]["bar"] == 0.05


def test_the_resume_command_names_the_running_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin(tmp_path, written(tmp_path)) as run:
        run.end("interrupted")
    monkeypatch.setattr(sys, "executable", str(tmp_path.resolve() / ".venv/bin/python"))
    monkeypatch.chdir(tmp_path)
    shown = call("runs", "--runs", str(tmp_path), "show", "last").output
    assert f"continue with: {typed('resume')} {run.folder.name} --runs {tmp_path}\n" in shown


def test_the_list_needs_no_tensorflow(tmp_path: Path) -> None:
    program = "import sys; from training.commands.main import cli; cli(['runs'], standalone_mode=False); "
    program += "print('tensorflow' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[-1] == "False"
