import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contract.store import STAGING, ModelStore
from tests.conftest import ROOT
from tests.training.commands.test_runs import call
from training.commands.main import cli
from training.runs.record import folders, read

pytestmark = pytest.mark.usefixtures("short_gate")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(home: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["run", "--runs", str(home.parent / "runs"), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def records(home: Path) -> list[Path]:
    return sorted((home.parent / "runs").iterdir())


def test_the_tutorial_prints_its_answers_and_its_arithmetic_and_publishes(home: Path) -> None:
    result = run(home, "--recipe", "tutorial")
    assert result.exit_code == 0, result.output
    assert result.output.count("answer    0.0 0.2 0.4 0.6 0.8") == 3
    for worked in ("4 * ((1 + 1) * 5 + 5^2) = 140", "5 * 1 + 1 = 6", "5 * 5 + 5 = 30", "140 + 6 = 146", "140 + 30 = 170"):
        assert worked in result.output
    store = ModelStore(home / "models")
    assert store.names() == ["many_to_many", "many_to_one_5", "one_to_one"]
    assert all(list(store.aliases(name)) == ["tutorial"] for name in store.names())


def test_a_run_leaves_its_record(home: Path) -> None:
    result = run(home, "--topology", "one_to_one", "--recipe", "tutorial", "--length", "3", "--alias", "mine")
    assert result.exit_code in (0, 1)
    (record,) = records(home)
    assert record.name.endswith("-one_to_one")
    assert json.loads((record / "plan.json").read_text())["length"] == 3
    lines = [json.loads(line) for line in (record / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == lines[-1]["steps"] == 1000
    assert {"loss", "learning_rate", "seconds"} <= lines[-1].keys()
    assert list(record.glob("events.out.tfevents.*"))
    assert {"name", "value", "bar", "at_least"} == json.loads((record / "gate.json").read_text())[0].keys()
    log = [line.rstrip() for line in (record / "log.txt").read_text().splitlines()]
    assert {"one_to_one: step 1,000 of 1,000", "gate"} <= {line.split(", loss")[0] for line in log}
    assert "\x1b" not in "".join(log)


def test_a_refused_model_exits_1_with_the_figures_and_is_not_published(home: Path) -> None:
    result = run(home, "--topology", "many_to_one", "--length", "3", "--steps", "20")
    assert result.exit_code == 1
    assert "TOO LARGE" in result.output
    assert "REFUSED" in result.output
    assert ModelStore(home / "models").names() == []
    (record,) = records(home)
    figures = {figure["name"]: figure for figure in json.loads((record / "gate.json").read_text())}
    assert figures["error, held-out rows"]["value"] > figures["error, held-out rows"]["bar"] == 0.03


@pytest.mark.parametrize(
    "arguments",
    [
        ["--topology", "many_to_few"],
        ["--recipe", "secret"],
        ["--length", "0"],
        ["--units", "0"],
        ["--alias", "Not A Word"],
        ["--what"],
    ],
)
def test_usage_exits_2_and_trains_nothing(home: Path, arguments: list[str]) -> None:
    assert run(home, *arguments).exit_code == 2
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments", [["--task", "forecast"], ["--horizon", "12"], ["--label", "kind"], ["--pivot"], ["--split-seed", "3"]]
)
def test_an_option_about_data_without_data_trains_nothing(home: Path, arguments: list[str]) -> None:
    result = run(home, "--length", "12", *arguments)
    assert result.exit_code == 2
    assert f"{arguments[0]} needs --data FILE" in result.output
    assert not home.exists()


@pytest.mark.parametrize("bar", ["nan", "inf", "high"])
def test_a_bar_is_a_finite_number(home: Path, bar: str) -> None:
    assert run(home, "--bar", bar).exit_code == 2


def test_if_missing_trains_no_model_that_the_store_has(home: Path) -> None:
    arguments = ["--topology", "one_to_one", "--recipe", "tutorial", "--if-missing"]
    assert run(home, *arguments).exit_code == 0
    versions = ModelStore(home / "models").versions("one_to_one")
    assert run(home, *arguments).output == ""
    assert ModelStore(home / "models").versions("one_to_one") == versions


def test_if_missing_trains_a_model_whose_version_is_broken(home: Path) -> None:
    arguments = ["--topology", "one_to_one", "--recipe", "tutorial", "--if-missing"]
    assert run(home, *arguments).exit_code == 0
    store = ModelStore(home / "models")
    (first,) = store.versions("one_to_one")
    (store.path("one_to_one", first) / "saved_model.pb").write_bytes(b"")
    assert run(home, *arguments).exit_code == 0
    assert len(store.versions("one_to_one")) == 2
    assert store.is_whole("one_to_one", store.aliases("one_to_one")["tutorial"].version)


def test_a_model_whose_alias_file_is_damaged_is_not_trained(home: Path) -> None:
    (home / "models" / "one_to_one").mkdir(parents=True)
    (home / "models" / "one_to_one" / "aliases.json").write_text("?")
    result = run(home, "--topology", "one_to_one", "--recipe", "tutorial")
    assert result.exit_code == 1
    assert "aliases.json of one_to_one cannot be read" in " ".join(result.output.split())
    assert "step 1,000" not in result.output


def test_ctrl_c_while_tensorflow_is_imported_exits_130(home: Path) -> None:
    command = [sys.executable, "-m", "training", "run", "--runs", str(home.parent / "runs")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        mapped = Path(f"/proc/{process.pid}/maps")
        while "libtensorflow" not in mapped.read_text():  # its first library: the import takes another second or two
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. No run had begun." in output
    assert not (home.parent / "runs").exists()


def test_a_store_that_cannot_be_written_is_one_line(home: Path) -> None:
    home.mkdir()
    (home / STAGING).write_text("a file where a folder must be")
    result = run(home, "--topology", "one_to_one", "--recipe", "tutorial")
    assert result.exit_code == 1
    assert "Stopped: File exists" in result.output
    assert "Nothing was published" in " ".join(result.output.split())


def test_help_names_every_option_and_the_exit_codes() -> None:
    output = CliRunner().invoke(cli, ["run", "--help"]).output
    for word in (
        "--topology",
        "--recipe",
        "--length",
        "--units",
        "--seed",
        "--steps",
        "--epochs",
        "--task",
        "--name",
        "--beats",
        "--alias",
        "--runs",
        "Exit code 0",
    ):
        assert word in output


def test_retrained_models_are_candidates_unless_promoted(home: Path, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    retrain = ("retrain", "--topology", "one_to_one", "--recipe", "tutorial", "--runs", runs)
    assert call(*retrain, "--seed", "26", "--promote").exit_code == 0
    assert call(*retrain).exit_code in (0, 1)  # a new seed may pass the gate or not
    first, second = (read(folder) for folder in folders(tmp_path / "runs"))
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
    assert "has ended: published. There is nothing to resume." in again.output


def test_ctrl_c_while_tensorflow_is_imported_is_one_line(tmp_path: Path) -> None:
    program = (
        "import os, signal; from training.commands.train import heavy_imports\n"
        "with heavy_imports(): os.kill(os.getpid(), signal.SIGINT); import training.job; print('went on')"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 128 + signal.SIGINT
    assert result.stdout.split("\n", 1)[1] == "Interrupted. No run had begun.\n"
