"""Wrong commands as people type them. Each message says what to type next, in few lines and without a traceback."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from contract.hints import typed
from contract.store import ModelStore
from tests.conftest import Publish
from training.runs.record import RUNS
from unroll.commands.main import COMMANDS, cli

UNROLL = [sys.executable, "-m", "unroll"]


@pytest.fixture
def project(publish: Publish, store: ModelStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project with one model, in which commands run."""
    version = publish("many_to_many").version
    store.promote("many_to_many", "production", version)
    project = tmp_path / "project"
    project.mkdir()
    store.root.parent.joinpath("models").rename(tmp_path / "kept")
    (project / ".bentoml").mkdir()
    (tmp_path / "kept").rename(project / ".bentoml/models")
    monkeypatch.chdir(project)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return project


@pytest.fixture
def serving(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """BentoML would look into the model, which is too small for it, if it were in its own store."""
    monkeypatch.setenv("UNROLL_MODELS_DIR", str(project / ".bentoml/models"))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def said(arguments: list[str]) -> tuple[int, str]:
    """The exit code, and what is said beside the line about the store."""
    if arguments[0] != "serve":  # which replaces its process
        done = CliRunner().invoke(cli, arguments, prog_name=typed("").strip())
        assert (done.stdout, isinstance(done.exception, SystemExit)) == ("", True)
        return done.exit_code, without_store(done.stderr)
    ended = subprocess.run([*UNROLL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == ""
    return ended.returncode, without_store(ended.stderr)


def without_store(text: str) -> str:
    return re.sub(r"(?m)^store: .*\n", "", text)


def test_a_misspelt_command(project: Path) -> None:
    code, text = said(["promot", "many_to_many@latest"])
    assert (code, text.splitlines()[-1]) == (2, "Error: No such command 'promot'. Did you mean 'promote'?")
    assert text.splitlines()[1] == f"Try '{typed('--help')}' for help."


@pytest.mark.parametrize(
    ("arguments", "there"),
    [(["data", "sales.csv"], "check"), (["keys", "make"], "new"), (["xyz"], ", ".join(COMMANDS))],
)
def test_a_command_that_is_like_no_other_is_told_which_there_are(arguments: list[str], there: str, project: Path) -> None:
    code, text = said(arguments)
    assert (code, text.splitlines()[-1]) == (2, f"Error: No such command '{arguments[-1]}'. There is: {there}.")


def test_a_misspelt_option(project: Path) -> None:
    code, text = said(["serve", "--prot", "8080"])
    assert (code, text.splitlines()[-1]) == (2, "Error: No such option '--prot'. (Did you mean one of: '--host', '--port'?)")


def test_a_misspelt_model(project: Path) -> None:
    assert said(["promote", "many_to_mnay@latest"]) == (
        1,
        "Error: the store has no model many_to_mnay; it has: many_to_many. Did you mean many_to_many?\n",
    )


def test_a_misspelt_alias(project: Path) -> None:
    code, text = said(["promote", "many_to_many@prodution"])
    assert code == 1
    assert text.startswith("Error: many_to_many has no version prodution; its newest: ")
    assert text.endswith("; its aliases: production. Did you mean production?\n")


def test_a_version_without_its_model(project: Path) -> None:
    code, text = said(["promote", "production"])
    expected = "expected MODEL@VERSION, such as production@candidate; received 'production'"
    assert (code, text.splitlines()[-1]) == (2, f"Error: Invalid value for 'MODEL@VERSION': {expected}")


def test_a_file_that_is_not_there(project: Path) -> None:
    code, text = said(["train", "--data", "sale.csv"])
    assert (code, text.splitlines()[-1]) == (2, "Error: Invalid value for '--data': Path 'sale.csv' does not exist.")


def test_a_run_that_is_not_there(project: Path) -> None:
    assert said(["resume", "last"]) == (1, f"Error: {RUNS} has no run last: `{typed('runs')}` lists what there is\n")


def test_a_store_without_models(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "empty"))
    done = subprocess.run([*UNROLL, "serve", "--port", "0"], capture_output=True, text=True, timeout=60, check=False)
    first, second = done.stderr.splitlines()
    own = f"{project}/.bentoml/models, the project's own"
    assert first == f"store: {tmp_path}/empty/models (BENTOML_HOME; not {own})"
    assert re.fullmatch(rf"No models in {tmp_path}/empty/models\. Train them with: \S+( -m unroll)? train", second)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_port_that_is_taken(serving: None, taken: int) -> None:
    code, text = said(["serve", "--port", str(taken)])
    assert code == 1
    assert re.fullmatch(rf"Port {taken} of 127\.0\.0\.1 is taken.*\. End that process, or choose another .* --port\.\n", text)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("UNROLL_WORKER", "2", r"UNROLL_WORKER is no setting\. Did you mean UNROLL_WORKERS\?"),
        (
            "UNROLL_KEYS_FILE",
            "keys",
            r".*/project/keys cannot be read: No such .* Make it with: unroll keys new NAME >> \S+/keys",
        ),
        ("UNROLL_HOST", "0.0.0.0", r"0\.0\.0\.0 can be .*make one: \S+( -m unroll)? keys new NAME >> keys\.jsonl\), .*"),
    ],
)
def test_a_wrong_setting(serving: None, variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    code, text = said(["serve", "--port", "0"])
    assert code == 1
    assert re.fullmatch(f"{message}\n", text)


def test_a_service_that_is_not_there(project: Path) -> None:
    code, text = said(["load", "--url", "http://127.0.0.1:1"])
    refused = f"[Errno 111] Connection refused. Does the service run there? Type: {typed('serve')}\n"
    assert (code, text) == (2, f"loadtests: nothing is ready at http://127.0.0.1:1: {refused}")
    code, text = said(["openapi", "--url", "http://127.0.0.1:1"])
    assert (code, text) == (1, f"Error: no document at http://127.0.0.1:1/docs.json: {refused}")
