"""`unroll doctor` on machines with one thing wrong each."""

import importlib.metadata
import json
import resource
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contract.hints import typed
from contract.store import ModelStore
from tests.conftest import Publish
from unroll.commands import checks
from unroll.commands.main import cli


@pytest.fixture(autouse=True)
def place(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.root.parent)
    monkeypatch.setenv("BENTOML_HOME", str(store.root.parent))
    monkeypatch.setattr("unroll.commands.service_checks.check_port", lambda *_: None)  # 3000 may be taken on this machine


def examined(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(cli, ["doctor", "--json", *arguments])
    told = json.loads(done.output)
    assert told["wrong"] == sum(each["state"] == "wrong" for each in told["checks"])
    return done.exit_code, told["checks"]


def wrong(name: str, *arguments: str, state: str = "wrong") -> list[str]:
    """What is said, and what to type."""
    code, told = examined(*arguments)
    assert code == (1 if any(each["state"] == "wrong" for each in told) else 0)
    return [f"{each['says']} -> {each['hint']}" for each in told if each["name"] == name and each["state"] == state]


def test_a_machine_without_faults(publish: Publish, store: ModelStore) -> None:
    version = publish().version
    store.promote("one_to_one", "production", version)
    done = CliRunner().invoke(cli, ["doctor"])
    assert done.exit_code == 0, done.output
    assert f"ok     versions  one_to_one: 1 whole; production {version}\n" in done.output
    assert f"ok     store     {store.root} (BENTOML_HOME), " in done.output
    assert f"ok     python    {sys.version.split()[0]}, {sys.executable}\n" in done.output
    assert done.output.splitlines()[-1].startswith("0 wrong, ")
    assert all(line.split()[0] in ("ok", "warn") for line in done.output.splitlines()[:-1])


def test_an_empty_store_is_a_warning() -> None:
    assert wrong("versions", state="warn") == [f"the store has no model -> {typed('train')}"]
    assert examined()[0] == 0


def test_a_store_that_cannot_be_written(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002 - tempfile's name
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    (said,) = wrong("store")
    assert (
        said
        == f"{store.root} (BENTOML_HOME): cannot be written: Permission denied -> let this user write to {store.root.parent}"
    )


def test_versions_that_are_not_whole(publish: Publish, store: ModelStore) -> None:
    first, second, third = (publish().version for _ in range(3))
    store.promote("one_to_one", "production", third)
    for version in (second, third):
        (store.path("one_to_one", version) / "weights").write_bytes(b"changed")
    mend = typed("promote one_to_one@latest --alias production")
    assert wrong("versions") == [f"one_to_one@{third}, which production needs, is broken: weights is changed -> {mend}"]
    delete = typed(f"delete one_to_one@{second}")
    assert wrong("versions", state="warn") == [f"one_to_one@{second} is broken: weights is changed -> {delete}"]
    (store.path("one_to_one", first) / "manifest.json").unlink()
    assert wrong("versions")[0].endswith(f"-> train one_to_one again: {typed('train --help')}")


def test_aliases_that_cannot_be_read_or_name_what_is_gone(publish: Publish, store: ModelStore) -> None:
    versions = [publish().version for _ in range(2)]
    store.promote("one_to_one", "production", versions[1])
    store.path("one_to_one", versions[1]).rename(store.root / "elsewhere")
    (said,) = wrong("aliases")
    assert said == f"production of one_to_one names {versions[1]}, which is gone -> " + typed(
        "promote one_to_one@latest --alias production"
    )
    (store.root / "one_to_one/aliases.json").write_text("{")
    (said,) = wrong("aliases")
    assert said.startswith("aliases.json of one_to_one cannot be read: ")


@pytest.mark.parametrize(
    ("variables", "name", "said"),
    [
        ({"UNROLL_WORKER": "2"}, "settings", "UNROLL_WORKER is no setting. Did you mean UNROLL_WORKERS? -> docs/"),
        ({"UNROLL_WORKERS": "none"}, "settings", "UNROLL_WORKERS: Input should be a valid integer"),
        ({"UNROLL_HOST": "0.0.0.0"}, "host", "0.0.0.0 can be reached from other machines, and there are no keys."),
        ({"UNROLL_KEYS_FILE": "my keys"}, "keys", "my keys: No such file or directory -> "),
        ({"UNROLL_TLS_CERTIFICATE_FILE": "c", "UNROLL_TLS_KEY_FILE": "k"}, "TLS", "c cannot be read: No such file"),
    ],
)
def test_settings_and_their_files(variables: dict[str, str], name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    (found,) = wrong(name)
    assert found.startswith(said)


def test_a_file_of_keys_and_what_they_are_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_KEYS_FILE", str(tmp_path / "keys"))
    (tmp_path / "keys").write_text("")
    assert wrong("keys", state="warn") == [f"{tmp_path}/keys: 0, for none: every request is refused -> "]
    made = CliRunner().invoke(cli, ["keys", "new", "bob", "--scope", "admin"])
    (tmp_path / "keys").write_text(made.stdout)
    assert wrong("keys", state="ok") == [f"{tmp_path}/keys: 1, for admin -> "]


def test_limits_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_WORKERS", "500")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    monkeypatch.setattr("unroll.commands.service_checks._cgroup", lambda name: {"cpu.max": ["150000", "100000"]}.get(name, []))
    files, processors, memory = wrong("limits", state="warn")
    assert files == "100 open files allowed, 5376 needed for UNROLL_MAX_CONNECTIONS=4096 -> raise the hard limit: ulimit -Hn"
    assert processors == "1.5 processors, UNROLL_WORKERS is 500 -> UNROLL_WORKERS=1"
    assert memory.endswith(" GB of memory free -> end other programs")


def test_a_taken_port_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.hosting.uvicorn_config import check_port  # noqa: PLC0415 - the fixture has put another in its place

    monkeypatch.setattr("unroll.commands.service_checks.check_port", check_port)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (said,) = wrong("port", "--port", str(port), state="warn")
    assert said.startswith(f"Port {port} of 127.0.0.1 is taken by process ")


def test_packages_that_are_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"locust": None, "uvicorn": "0.30.0"}
    there = importlib.metadata.version

    def version(name: str) -> str:
        if name in versions:
            if (stated := versions[name]) is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return stated
        return there(name)

    monkeypatch.setattr(checks, "version", version)
    told = {said.partition(":")[0]: said for said in wrong("packages", state="warn")}
    assert "uvicorn 0.30.0 is not " in told["for unroll serve"]
    assert told["for unroll load"] == "for unroll load: no locust -> make setup"
    monkeypatch.setattr(checks, "ROOT", Path("/nowhere"))
    monkeypatch.setattr(checks, "requires", lambda _: ['locust>=2; extra == "load"', 'six>=9; extra == "serve"', "click"])
    (load,) = [said for said in wrong("packages", state="warn") if "locust" in said]
    assert load == 'for unroll load: no locust -> pip install ".[load]" in a checkout of unroll'


def test_a_gpu_and_its_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034 MiB'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert wrong("GPU", state="ok") == ["NVIDIA L4, 23034 MiB -> "]
    smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert wrong("GPU", state="warn") == ["nvidia-smi fails: NVIDIA-SMI has failed -> look at the driver"]
    monkeypatch.setattr(checks, "SECONDS", 0.05)
    smi.write_text("#!/bin/sh\nexec sleep 60\n")
    (hung,) = wrong("GPU", state="warn")
    assert hung.endswith("timed out after 0.05 seconds -> look at the driver")


def test_without_the_service_s_libraries_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unroll.commands.service_checks", None)
    monkeypatch.delattr("unroll.commands.service_checks", raising=False)
    (said,) = wrong("settings", state="warn")
    assert said.startswith("without unroll.commands.service_checks, settings, limits and port cannot be looked at")
