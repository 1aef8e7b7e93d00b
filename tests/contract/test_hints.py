"""What a message says to type works in the shell that shows it."""

import shutil
import stat
import sys
from pathlib import Path

import pytest

from contract import hints
from contract.hints import did_you_mean, typed


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs of an environment in a project, which is not activated."""
    programs = tmp_path / "my project/.venv/bin"
    programs.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.chdir(tmp_path / "my project")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return programs


def program(path: Path) -> None:
    path.touch()
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_activation_it_is_the_path(environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(environment / "unroll")
    assert typed("train") == ".venv/bin/unroll train"
    monkeypatch.chdir(tmp_path)
    assert typed("train") == "'my project/.venv/bin/unroll' train"
    monkeypatch.chdir("/")
    assert typed("resume last") == f"'{str(environment)[1:]}/unroll' resume last"


def test_where_the_shell_finds_it_it_is_the_name(environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(environment / "unroll")
    monkeypatch.setenv("PATH", f"{environment}:/usr/bin")
    assert typed("train") == "unroll train"
    (tmp_path / "bin").mkdir()  # as pipx and uv install it
    (tmp_path / "bin/unroll").symlink_to(environment / "unroll")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin")
    assert typed("train") == "unroll train"


def test_in_a_checkout_that_is_not_installed_it_is_a_module(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed("train --seed 1") == ".venv/bin/python -m unroll train --seed 1"
    program(environment / "python")
    monkeypatch.setenv("PATH", f"{environment}:/usr/bin")
    assert shutil.which("python") == str(environment / "python")
    assert typed("train") == "python -m unroll train"


def test_in_the_images_it_is_what_they_have(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = ["training"]
    monkeypatch.setattr(hints, "find_spec", lambda name: name if name in packages else None)
    assert typed("train --seed 1") == ".venv/bin/python -m training run --seed 1"
    assert typed("resume last") == ".venv/bin/python -m training resume last"
    packages.clear()
    assert typed("train") == "unroll train"


def test_only_a_near_name_is_suggested() -> None:
    assert did_you_mean("sotcks", ["flowers", "stocks"]) == ". Did you mean stocks?"
    assert did_you_mean("x" * 10**6, ["stocks"]) == ""
