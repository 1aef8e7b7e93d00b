import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from contract.store import ModelStore
from tests.conftest import ROOT
from training import job
from training.commands.main import cli
from training.fit import Adam, Progress, fit
from training.plan import Plan

pytestmark = pytest.mark.usefixtures("short_gate")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def invoke(*arguments: str, text: str | None = None) -> Result:
    result = CliRunner().invoke(cli, list(arguments), input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def csv(rows: int = 100) -> str:
    table = np.random.default_rng(1).normal(50, 9, (rows, 3))
    out = io.StringIO()
    np.savetxt(out, table, fmt="%.3f", delimiter=",")
    return out.getvalue()


def test_data_check_prints_counts_spread_split_and_exits_0(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(csv())
    result = invoke("data", "check", str(tmp_path / "my.csv"))
    assert result.exit_code == 0, result.output
    for said in (
        "my.csv: echo, a sequence per row",
        "300 items in 100 sequences; lengths: shortest 3, median 3, longest 3",
        "quantiles 0.01: ",
        "████",
        "split by sequence, seed 26; rows of 3 items, stride 1",
        "to train on         80 sequences           80 rows",
        "held out            20 sequences           20 rows",
        "sha256 ",
    ):
        assert said in result.output
    assert result.output.count("█ ") <= 20


def test_data_check_reads_standard_input_and_prints_json() -> None:
    result = invoke("data", "check", "-", "--json", "--held-out", "0.5", text=csv())
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["file"], report["task"], report["items"], report["faults"]) == ("standard input", "echo", 300, [])
    assert sum(report["features"]["value"]["histogram"]) == 300
    assert report["facts"]["sequences_held_out"] == 50


def test_data_check_shows_task_features_classes_and_all_sides(tmp_path: Path) -> None:
    values, kinds = np.random.default_rng(1).normal(50, 9, (100, 3)).round(2), ["low", "high"]
    lines = ["who,day,load,heat,kind"]
    for who in range(50):
        lines += [f"{who},2024-01-{day + 1:02},{values[who, day]},{-values[who, day]},{kinds[who % 2]}" for day in range(3)]
    (tmp_path / "my.csv").write_text("\n".join(lines))
    columns = ["--sequence-column", "who", "--time-column", "day", "--value-column", "load", "--value-column", "heat"]
    result = invoke("data", "check", str(tmp_path / "my.csv"), *columns, "--label", "kind", "--topology", "many_to_one")
    assert result.exit_code == 0, result.output
    for said in (
        "my.csv: classify, a step per row",
        "150 steps in 50 sequences; lengths: shortest 3, median 3, longest 3",
        "an answer for each row",
        "input load  from ",
        "input heat  from ",
        "class high  25 rows",
        "class low   25 rows",
        "to train on         40 sequences           34 rows",
        "to validate" + 33 * " " + "6 rows",
        "held out            10 sequences           10 rows",
    ):
        assert said in result.output


def test_data_check_counts_one_as_one_and_classes_of_the_test_file_apart(tmp_path: Path) -> None:
    lines = [f"{n * 7 % 121},{'up' if n % 3 else 'down'}" for n in range(120)]
    (tmp_path / "my.csv").write_text("value,label\n" + "\n".join(lines))
    (tmp_path / "test.csv").write_text("value,label\n" + "\n".join(f"{n}.5,up" for n in range(20)))
    result = invoke("data", "check", str(tmp_path / "my.csv"), "--length", "1")
    assert result.exit_code == 0, result.output
    for said in (
        "120 steps in 1 sequence; lengths",
        "class down  40 steps\n",
        "class up    80 steps\n",
        "rows of 1 step, stride 1",
    ):
        assert said in result.output
    result = invoke("data", "check", str(tmp_path / "my.csv"), "--length", "1", "--test", str(tmp_path / "test.csv"))
    assert result.exit_code == 0, result.output
    assert "class down  40 steps, 0 in the test file\n" in result.output
    assert "class up    80 steps, 20 in the test file\n" in result.output


def test_whole_sequences_have_no_stride(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=np.random.default_rng(1).normal(size=(60, 5, 2)), labels=np.arange(60) % 2)
    result = invoke("data", "check", str(tmp_path / "my.npz"))
    assert result.exit_code == 0, result.output
    assert "rows of 5 steps\n" in result.output
    assert "stride" not in result.output


def test_a_wish_that_contradicts_the_data_exits_1_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("\n".join(map(str, range(300))))
    result = invoke("data", "check", str(tmp_path / "my.csv"), "--horizon", "3", "--length", "9")
    assert result.exit_code == 1
    assert "add --task forecast, or leave --horizon out" in " ".join(result.output.split())
    result = invoke("data", "check", str(tmp_path / "my.csv"), "--horizon", "3", "--length", "9", "--task", "forecast")
    assert result.exit_code == 0, result.output
    assert "a forecast of 3 steps for each row" in result.output


def test_a_reader_that_is_gone_does_not_change_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(csv())
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "training", "data", "check", str(tmp_path / "mine.csv")]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_faults_exit_1_as_text_and_as_json() -> None:
    text = csv() + "1,2\n3,x,4\n"
    result = invoke("data", "check", "-", text=text)
    assert result.exit_code == 1
    assert "2 faults:\n" in result.output
    assert "standard input, line 101: 2 cells in a table of 3 columns" in result.output
    assert "standard input, line 102, column input_1: 'x' is not a number" in result.output
    result = invoke("data", "check", "-", "--json", text=text)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["faults_in_all"] == 2
    assert report["faults"][1] == {
        "file": "standard input",
        "row": 102,
        "line": 102,
        "column": "input_1",
        "reason": "'x' is not a number",
        "cells": 1,
    }
    result = invoke("data", "check", "-", "--json", text="")
    assert (result.exit_code, json.loads(result.stdout)["faults_in_all"]) == (1, 1)


@pytest.mark.parametrize("arguments", [["data", "check", "-"], ["run", "--data", "-"]])
def test_ctrl_c_while_reading_is_130(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    def interrupted(_source: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.sequences.check.read", interrupted)
    assert invoke(*arguments, text=csv()).exit_code == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "check", "not-there.csv"],
        ["data", "check", "-", "--stride", "0"],
        ["data", "check", "-", "--features", "a,,b"],
        ["data", "check", "-", "--task", "guess"],
        ["run", "--data", "not-there.csv"],
        ["run", "--data", "-", "--recipe", "tutorial"],
        ["run", "--data", "-", "--held-out", "1"],
    ],
)
def test_usage_exits_2_and_trains_nothing(home: Path, arguments: list[str]) -> None:
    assert invoke(*arguments, text=csv()).exit_code == 2
    assert not home.exists()


def test_bad_data_is_refused_before_training(home: Path, tmp_path: Path) -> None:
    result = invoke("run", "--data", "-", "--runs", str(tmp_path / "runs"), text="value\n1\nx\n")
    assert result.exit_code == 1
    assert "standard input, line 3, column value: 'x' is not a number" in result.output
    assert not home.exists()
    assert not (tmp_path / "runs").exists()


def test_a_model_of_own_data_is_published_as_a_candidate_with_its_data_facts(home: Path, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(csv())
    arguments = ["--topology", "one_to_one", "--steps", "1500", "--runs", str(tmp_path / "runs")]
    result = invoke("run", "--data", str(tmp_path / "my.csv"), *arguments)
    assert result.exit_code == 0, result.output
    assert "rows: 80 to train on, 20 held out" in " ".join(result.output.split())
    store = ModelStore(home / "models")
    (version,) = store.versions("one_to_one")
    assert {alias: now.version for alias, now in store.aliases("one_to_one").items()} == {"candidate": version}
    manifest = store.verify("one_to_one", version)
    assert manifest.data is not None
    assert (manifest.data.file, manifest.task, manifest.length) == ("my.csv", "echo", 3)
    assert (manifest.data.rows_train, manifest.data.rows_held_out, manifest.data.split_seed) == (80, 20, 26)
    assert manifest.features[0].domain.low < 50 < manifest.features[0].domain.high < 100
    assert 1e-5 < manifest.golden_tolerance < 1e-2
    (record,) = (tmp_path / "runs").iterdir()
    recorded = json.loads((record / "plan.json").read_text())
    assert recorded["data"]["sha256"] == manifest.data.sha256
    assert not (record / "data.npz").exists()


def test_a_run_resumes_to_the_same_weights_without_the_users_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my.csv"
    path.write_text(csv())
    arguments = ["run", "--data", str(path), "--topology", "one_to_one", "--steps", "1500", "--checkpoint-seconds", "0"]
    assert invoke(*arguments, "--runs", str(tmp_path / "whole")).exit_code == 0

    def interrupted(model: keras.Model, plan: Plan, adam: Adam) -> Iterator[Progress]:
        yield next(fit(model, plan, adam))
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(job, "fit", interrupted)
        assert invoke(*arguments, "--runs", str(tmp_path / "cut")).exit_code == 130
    path.unlink()
    resumed = invoke("resume", "last", "--runs", str(tmp_path / "cut"))
    assert resumed.exit_code == 0, resumed.output
    assert "continues after step 500" in resumed.output
    whole, cut = (json.loads(next((tmp_path / name).glob("*/status.json")).read_text()) for name in ("whole", "cut"))
    assert whole["weights"] == cut["weights"]
    assert not list((tmp_path / "cut").glob("*/data.npz"))


def test_a_run_without_its_data_is_not_resumed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(model: keras.Model, plan: Plan, adam: Adam) -> Iterator[Progress]:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(job, "fit", interrupted)
        assert (
            invoke("run", "--data", "-", "--topology", "one_to_one", "--runs", str(tmp_path / "cut"), text=csv()).exit_code
            == 130
        )
    (kept,) = (tmp_path / "cut").glob("*/data.npz")
    kept.unlink()
    result = invoke("resume", "last", "--runs", str(tmp_path / "cut"))
    assert result.exit_code != 0
    assert "its training data data.npz cannot be read" in " ".join(result.output.split())
