import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contract.store import STAGING, ModelStore
from tests.conftest import ROOT, Publish
from tests.training.commands.test_wait import standing_in, workers
from training.commands.main import cli

NAME = "many_to_many"


@pytest.fixture(autouse=True)
def home(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(store.root.parent))
    return store.root.parent


@pytest.fixture
def versions(publish: Publish, store: ModelStore) -> list[str]:
    """Three versions; the first is production."""
    versions = [publish(NAME).version for _ in range(3)]
    store.promote(NAME, "production", versions[0])
    return versions


def run(*arguments: str, exits: int = 0, answers: str | None = None) -> str:
    result: Result = CliRunner().invoke(cli, arguments, input=answers)
    assert result.exit_code == exits, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return "".join(line for line in result.output.splitlines(keepends=True) if not line.startswith("store: "))


def production(store: ModelStore) -> str:
    return store.aliases(NAME)["production"].version


def test_an_empty_store_says_how_to_train() -> None:
    assert "Train them with: " in run("models")
    assert json.loads(run("models", "--json")) == {"models": [], "faults": []}


def test_models_are_listed_with_age_aliases_figures_and_state(store: ModelStore, versions: list[str], publish: Publish) -> None:
    publish("many_to_one", length=3)
    store.set_canary(NAME, "production", versions[1], 5)
    store.set_shadow(NAME, "production", versions[2])
    lines = run("models").splitlines()
    assert [line.split()[0] for line in lines if "whole" in line] == [NAME, NAME, NAME, "many_to_one_3"]
    third, second, first = (next(line for line in lines if version in line) for version in reversed(versions))
    assert "shadow of production" in third
    assert "canary 5 % of production" in second
    assert " production " in first
    assert all("0.01/0.03 = 0.33" in line and "0 s" in line for line in (second, first))
    assert versions[0] not in run("models", "many_to_one_3")


def test_models_are_listed_as_json(store: ModelStore, versions: list[str]) -> None:
    (store.path(NAME, versions[1]) / "weights").unlink()
    store.set_canary(NAME, "production", versions[2], 12.5)
    third, second, first = json.loads(run("models", NAME, "--json"))["models"]
    assert third["aliases"] == [{"alias": "production", "role": "canary", "percent": 12.5}]
    assert third["worst"] == {"name": "error, held-out rows", "value": 0.01, "bar": 0.03, "at_least": False}
    assert (second["state"], second["reason"], second["worst"]) == ("broken", "weights is missing", None)
    assert first["aliases"] == [{"alias": "production", "role": "version", "percent": None}]
    assert 0 <= first["age_seconds"] < 600


def test_broken_and_deleted_versions_are_listed_with_the_reason(store: ModelStore, versions: list[str]) -> None:
    store.path(NAME, versions[0]).rename(store.root.parent / "gone")
    (store.path(NAME, versions[1]) / "weights").write_bytes(b"changed")
    output = run("models")
    (gone,) = [line for line in output.splitlines() if versions[0] in line]
    assert gone.split()[:5] == [NAME, versions[0], "-", "production", "-"]
    assert "broken: manifest.json cannot be read: No such file or directory" in output
    assert "broken: weights is changed" in output
    (store.root / NAME / "aliases.json").write_text("?")
    assert "aliases.json of many_to_many cannot be read" in run("models")


@pytest.mark.parametrize("word", ["candidate", "latest", "version"])
def test_a_version_is_named_by_itself_by_an_alias_or_as_the_latest(store: ModelStore, versions: list[str], word: str) -> None:
    store.promote(NAME, "candidate", versions[2])
    said = run("promote", f"{NAME}:{versions[2] if word == 'version' else word}")
    assert said == f"many_to_many: production names {versions[2]}, before {versions[0]}\n"
    assert production(store) == versions[2]
    assert "already" in run("promote", f"{NAME}:{word if word == 'candidate' else 'latest'}")


def test_latest_is_the_newest_whole_version(store: ModelStore, versions: list[str]) -> None:
    (store.path(NAME, versions[2]) / "weights").unlink()
    run("promote", f"{NAME}:latest", "--alias", "candidate")
    assert store.aliases(NAME)["candidate"].version == versions[1]
    for version in versions:
        (store.path(NAME, version) / "weights").unlink(missing_ok=True)
    assert run("promote", f"{NAME}:latest", exits=1) == "Error: many_to_many has no whole version\n"


def test_trials_are_set_and_withdrawn(store: ModelStore, versions: list[str]) -> None:
    assert "answers 5 % of production" in run("promote", f"{NAME}:{versions[1]}", "--canary", "5")
    assert "receives a copy of the traffic of production" in run("promote", f"{NAME}:{versions[2]}", "--shadow")
    assert store.aliases(NAME)["production"].trials == {"canary": versions[1], "shadow": versions[2]}
    assert production(store) == versions[0]
    assert run("withdraw", NAME, "--canary") == "many_to_many: withdrawn from production\n"
    assert store.aliases(NAME)["production"].trials == {"shadow": versions[2]}
    run("withdraw", NAME)
    assert store.aliases(NAME)["production"].trials == {}
    assert run("withdraw", NAME) == "many_to_many: production has no such trial\n"


def test_a_rollback_names_its_version_or_says_that_there_is_none(store: ModelStore, versions: list[str]) -> None:
    run("promote", f"{NAME}:{versions[1]}")
    assert run("rollback", NAME) == f"many_to_many: production names {versions[0]} again\n"
    assert "no whole version to go back to" in run("rollback", NAME, exits=1)
    assert production(store) == versions[0]


def test_delete_and_unalias_refuse_before_they_ask(store: ModelStore, versions: list[str]) -> None:
    for command, reason in (
        (["delete", f"{NAME}:{versions[0]}"], f"{NAME}@{versions[0]} is in use as production: first promote another version"),
        (["delete", f"{NAME}:missing"], f"{NAME} has no version missing"),
        (["unalias", NAME, "--alias", "candidate"], f"{NAME} has no alias candidate; it has: production"),
        (["unalias", "one_to_one", "--alias", "candidate"], f"the store has no model one_to_one; it has: {NAME}"),
    ):
        output = run(*command, exits=1, answers="y\n")
        assert output.startswith(f"Error: {reason}")
        assert "[y/N]" not in output
    assert store.versions(NAME) == versions


def test_an_alias_can_be_deleted_and_then_its_version(store: ModelStore, versions: list[str]) -> None:
    run("promote", f"{NAME}:latest", "--alias", "prodution")
    assert "[y/N]" in run("unalias", NAME, "--alias", "prodution", exits=1, answers="n\n")
    assert run("unalias", NAME, "--alias", "prodution", "--yes") == f"{NAME}: prodution no longer names {versions[2]}\n"
    assert store.aliases(NAME).keys() == {"production"}
    run("delete", f"{NAME}:{versions[2]}", "--yes")
    assert run("unalias", NAME, "--alias", "prodution", "--yes", exits=1) == (
        "Error: many_to_many has no alias prodution; it has: production. Did you mean production?\n"
    )
    run("unalias", NAME, exits=2)  # --alias is required
    run("unalias", NAME, "--alias", "production", "--yes")
    for version in versions[:2]:
        run("delete", f"{NAME}:{version}", "--yes")
    assert store.names() == []


def test_deleting_asks_first(store: ModelStore, versions: list[str]) -> None:
    tag = f"{NAME}:{versions[1]}"
    assert "for good? [y/N]" in run("delete", tag, exits=1, answers="n\n")
    assert store.versions(NAME) == versions
    run("delete", tag, answers="y\n")
    assert run("delete", f"{NAME}:latest", "--yes") == f"{NAME}@{versions[2]} is deleted\n"
    assert store.versions(NAME) == versions[:1]
    refused = run("delete", f"{NAME}:production", "--yes", exits=1)
    assert refused.startswith(f"Error: {NAME}@{versions[0]} is in use as production")


def test_pruning_lists_the_versions_also_in_a_dry_run(store: ModelStore, versions: list[str], publish: Publish) -> None:
    others = [publish("one_to_one").version for _ in range(2)]
    would = f"{NAME}@{versions[1]} would be deleted\none_to_one@{others[0]} would be deleted\n"
    assert run("prune", "--keep", "1", "--dry-run") == would
    assert run("prune", NAME, "--keep", "1") == f"{NAME}@{versions[1]} is deleted\n"
    assert run("prune", NAME, "--keep", "1") == ""
    assert (store.versions(NAME), store.versions("one_to_one")) == ([versions[0], versions[2]], others)


def test_history_is_listed_oldest_first(versions: list[str]) -> None:
    run("promote", f"{NAME}:{versions[1]}", "--canary", "5")
    run("promote", f"{NAME}:{versions[1]}", "--alias", "candidate")
    run("promote", f"{NAME}:candidate")
    run("rollback", NAME)
    told = [line.split()[2:] for line in run("history", NAME).splitlines() if versions[0] in line or versions[1] in line]
    assert told == [
        ["production", "promote", versions[0]],
        ["production", "canary", versions[1], "5", "%"],
        ["candidate", "promote", versions[1]],
        ["production", "promote", versions[1]],
        ["production", "rollback", versions[0], "from", versions[1]],
    ]
    assert set(json.loads(run("history", NAME, "--json"))) == {"production", "candidate"}


def test_a_model_without_an_alias_has_no_history(publish: Publish) -> None:
    publish("one_to_one")
    assert run("history", "one_to_one").startswith("one_to_one has no alias. Give it one with:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["promote", NAME],
        ["promote", f"{NAME}:"],
        ["promote", f"{NAME}:latest", "--canary", "0"],
        ["promote", f"{NAME}:latest", "--canary", "100"],
        ["promote", f"{NAME}:latest", "--canary", "nan"],
        ["promote", f"{NAME}:latest", "--canary", "5", "--shadow"],
        ["promote", f"{NAME}:latest", "--alias", "Not A Word"],
        ["promote", f"{NAME}:latest", "--alias", "latest"],
        ["promote", f"{NAME}:latest", "--wait", "localhost"],
        ["promote", f"{NAME}:latest", "--wait", "http://127.0.0.1:3OOO"],
        ["promote", f"{NAME}:latest", "--wait", "http://127.0.0.1:70000"],
        ["promote", f"{NAME}:latest", "--alias", "candidate", "--shadow", "--wait", "http://localhost"],
        ["withdraw", NAME, "--alias", "candidate", "--wait", "http://localhost"],
        ["prune"],
        ["prune", "--keep", "0"],
        ["rollback"],
    ],
)
def test_usage_exits_2_and_changes_nothing(store: ModelStore, versions: list[str], arguments: list[str]) -> None:
    run(*arguments, exits=2)
    assert (store.versions(NAME), production(store)) == (versions, versions[0])


@pytest.mark.parametrize("command", ["models", "rollback", "history", "withdraw", "unalias", "promote", "delete", "prune"])
def test_an_unknown_model_is_one_line_and_exits_1(versions: list[str], command: str) -> None:
    more = {"promote": ":latest", "delete": ":latest"}.get(command, "")
    options = {"prune": ["--keep", "1"], "unalias": ["--alias", "candidate", "--yes"]}.get(command, [])
    assert run(command, f"nope{more}", *options, exits=1) == "Error: the store has no model nope; it has: many_to_many\n"


def test_an_unknown_version_names_the_newest(versions: list[str]) -> None:
    said = run("promote", f"{NAME}:candidate", exits=1)
    known = f"its newest: {', '.join(versions)}; its aliases: production"
    assert said == f"Error: many_to_many has no version candidate; {known}\n"


def test_a_store_that_cannot_be_written_is_one_line(store: ModelStore, versions: list[str]) -> None:
    (store.root.parent / STAGING / ".lock").unlink()
    (store.root.parent / STAGING).rmdir()
    (store.root.parent / STAGING).write_text("a file where a folder must be")
    assert run("delete", f"{NAME}:{versions[1]}", "--yes", exits=1).startswith("Error: [Errno 17] File exists")
    assert store.versions(NAME) == versions


def test_waiting_ends_when_every_worker_serves_it(versions: list[str]) -> None:
    def answer(number: int) -> object:
        return workers(*[{"production": versions[1 if number > each else 0]} for each in (0, 2)])

    with standing_in(answer) as url:
        said = run("promote", f"{NAME}:{versions[1]}", "--wait", url)
    assert said.splitlines()[1] == f"many_to_many: 2 workers at {url} have the change"


def test_waiting_beyond_the_timeout_exits_1_and_names_the_change(store: ModelStore, versions: list[str]) -> None:
    run("promote", f"{NAME}:{versions[1]}")
    with standing_in(lambda _: workers({"production": versions[1]})) as url:
        said = run("rollback", NAME, "--wait", url, "--timeout", "0", exits=1)
    assert "Error: the store has the change, but after 0 s not every worker" in said
    assert f"worker 1 has {versions[1]}" in said
    assert production(store) == versions[0]


def test_wait_sees_trials(versions: list[str]) -> None:
    with standing_in(lambda _: workers({"canary": versions[1], "shadow": versions[2]})) as url:
        run("promote", f"{NAME}:{versions[1]}", "--canary", "5", "--wait", url, "--timeout", "0")
        run("promote", f"{NAME}:{versions[2]}", "--shadow", "--wait", url, "--timeout", "0")
        assert "has nothing as canary of many_to_many: worker 1 has" in run(
            "withdraw", NAME, "--canary", "--wait", url, "--timeout", "0", exits=1
        )


def test_withdraw_waits_until_the_trial_has_ended(versions: list[str]) -> None:
    with standing_in(lambda _: workers({"canary": None, "shadow": versions[2]})) as url:
        wait = ["--wait", url, "--timeout", "0"]
        assert run("withdraw", NAME, "--canary", *wait).splitlines()[1:] == [f"many_to_many: 1 worker at {url} has the change"]
        for options in (["--shadow"], []):
            said = run("withdraw", NAME, *options, *wait, exits=1)
            assert said.endswith(f"worker 1 has {versions[2]} as shadow\n")


def test_the_commands_need_no_tensorflow(home: Path, versions: list[str]) -> None:
    script = (
        "import sys; from training.commands.main import cli; cli(sys.argv[1:], standalone_mode=False); "
        "assert not {'tensorflow', 'keras', 'bentoml'} & sys.modules.keys()"
    )
    for arguments in (["models"], ["promote", f"{NAME}:latest"], ["rollback", NAME]):
        command = [sys.executable, "-c", script, *arguments]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "BENTOML_HOME": str(home)}, check=True, timeout=60)


def test_the_commands_run_as_a_process(home: Path, store: ModelStore, versions: list[str]) -> None:
    command = [sys.executable, "-m", "training", "promote", f"{NAME}:latest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)  # which store it used
    assert production(store) == versions[2]
    failed = subprocess.run(
        [*command[:3], "delete", f"{NAME}:latest", "--yes"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[1].startswith(f"Error: {NAME}@{versions[2]} is in use as production")
