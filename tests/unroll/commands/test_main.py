"""The `unroll` command: its list, its help, its version, what it says to a wrong call."""

import subprocess
import sys
import tomllib

import click
import pytest
from click.testing import CliRunner

from contract.hints import typed
from tests.conftest import ROOT
from unroll.commands import main
from unroll.commands.main import COMMANDS, Entry, cli


def unroll(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unroll", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=environment or None)


def walk(command: click.Command, *names: str) -> list[tuple[tuple[str, ...], click.Command]]:
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [(names, command), *(found for name, each in below for found in walk(each, *names, name))]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_can_be_pasted(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for names, each in walk(command, name):
        shown = CliRunner().invoke(cli, [*names, "--help"])
        assert shown.exit_code == 0, shown.output
        assert "Example" in shown.output
        assert f"\n    {typed(' '.join(names))}" in shown.output
        assert each.get_short_help_str()


def test_the_list_imports_no_command() -> None:
    code = "import sys; from unroll.commands.main import cli; cli(['--help'], standalone_mode=False);"
    code += "print([name for name in ('numpy', 'training', 'service', 'bentoml', 'rich', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


def test_the_version_is_the_project_s() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert unroll("--version").stdout == f"unroll {stated}\n"


def test_completion_names_the_commands() -> None:
    completed = unroll(_UNROLL_COMPLETE="bash_complete", COMP_WORDS="unroll pro", COMP_CWORD="1")
    assert completed.stdout == "plain,promote\n"


def test_a_command_without_its_libraries_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "train", Entry("notinstalled.commands:run", "", "train"))
    shown = CliRunner().invoke(cli, ["train"])
    install = 'pip install ".[train]" in a checkout of unroll, or make setup'
    assert shown.output == f"Error: unroll train needs notinstalled. Install it with: {install}\n"
    assert shown.exit_code == 1


def test_a_module_of_ours_that_is_missing_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "train", Entry("training.nothing:run", "", "train"))
    with pytest.raises(ModuleNotFoundError):
        CliRunner().invoke(cli, ["train"], catch_exceptions=False)


@pytest.mark.parametrize(("cause", "said", "code"), [(KeyboardInterrupt, "Interrupted.", 130), (None, "Nothing was done.", 1)])
def test_ctrl_c_is_one_line(
    cause: type[BaseException] | None, said: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        raise click.Abort if cause is None else cause

    monkeypatch.setattr(main.cli, "invoke", lambda _: stop())
    monkeypatch.setattr(sys, "argv", ["unroll", "models"])
    monkeypatch.setattr(main, "outlive_reader", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (ended.value.code, capsys.readouterr().err.strip()) == (code, said)
