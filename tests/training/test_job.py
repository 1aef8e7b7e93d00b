"""Runs that are killed, interrupted, or lose their disk."""

import dataclasses
import hashlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.manifest import Figure
from contract.store import ModelStore
from tests.training.forked import Training
from tests.training.short_gate import shorten
from tests.victim import Victim
from training import job
from training.gate import judge as gate
from training.job import Wish, resume, train_all
from training.plan import Chosen, plan_echo
from training.recipes import GENERAL, TUTORIAL
from training.runs import checkpoints
from training.runs.plan import NoRun
from training.runs.record import Record, folders, read

pytestmark = pytest.mark.usefixtures("short_gate")
QUICK = plan_echo(TUTORIAL, "one_to_one", length=5, seed=1)
KILLS = 10
WRITES, EVENTS = (45, 200), (1_100, 9_900)
"""Each kill hits a random one of so many: first up to the fourth checkpoint of a whole run of `go_on`, then up to its end."""
STEPS = 4_000
LONG = 20_000
"""Steps of a run that is interrupted at a tenth of them: 36 chunks are left, each with its checkpoint."""


def records(runs: Path) -> list[Record]:
    return [read(folder) for folder in folders(runs)]


def go_on(root: Path) -> None:
    """The victim runs this: resume a dead run or begin one, with a checkpoint after every chunk."""
    shorten(pytest.MonkeyPatch())
    os.dup2(os.open(root.parent / "shown", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    runs = root.parent / "runs"
    died = [record.folder for record in records(runs) if record.shown == "died"]
    settled = plan_echo(GENERAL, "one_to_one", length=5, seed=1, chosen=Chosen(steps=STEPS))
    wish = Wish(runs=runs, against_production=True, checkpoint_seconds=0)
    assert (resume(died[0]) if died else train_all([settled], ModelStore(root), wish)) == 0


def test_a_run_killed_at_ten_random_moments_reaches_the_weights_of_an_undisturbed_run(store: ModelStore) -> None:
    runs = store.root.parent / "runs"
    chance = random.Random(16)
    killed_at: list[Record] = []
    with Victim("tests.training.test_job:go_on", store.root) as victim:
        victim.start()
        assert victim.exit_code() == 0
        (undisturbed,) = records(runs)
        while len(killed_at) < KILLS or records(runs)[-1].shown == "died":
            kills = len(killed_at)
            if kills == KILLS:
                victim.start()
            elif kills % 2:
                victim.start(chance.randint(1, EVENTS[kills >= KILLS - 4]), at="event")
            else:
                victim.start(chance.randint(1, WRITES[kills >= KILLS - 4]))
            code = victim.exit_code()
            assert code in (0, -signal.SIGKILL)
            if code:
                killed_at.append(records(runs)[-1])
    assert {record.shown for record in killed_at} <= {"died", "published"}  # published: killed after publishing
    assert any(record.step == 0 for record in killed_at)
    assert any(0 < record.step < record.plan.steps for record in killed_at)
    assert any(record.step == record.plan.steps for record in killed_at)

    ended = records(runs)
    assert {record.shown for record in ended} == {"published"}
    assert {record.status.weights for record in ended} == {undisturbed.status.weights}
    for record in ended:
        last = checkpoints.newest(record.folder / "checkpoints", print)
        assert last is not None
        assert last.step == STEPS
        moments = len(last.state) * 3 // 4  # a value and two moments of each variable stand before the best weights
        weights = hashlib.sha256(b"".join(array.tobytes() for array in last.state[:moments:3])).hexdigest()
        assert weights == undisturbed.status.weights
        assert record.gate == store.verify("one_to_one", record.plan.version).gate
    assert store.versions("one_to_one") == [record.plan.version for record in ended]
    (production,) = store.aliases("one_to_one").values()
    assert production.versions == tuple(record.plan.version for record in ended)  # each named once


def start(home: Path, *arguments: str, largest_file: int | None = None) -> Training:
    return Training(home, "run", *arguments, "--runs", str(home / "runs"), largest_file=largest_file)


def test_one_process_at_a_time_and_after_ctrl_c_the_same_weights(tmp_path: Path) -> None:
    arguments = ["--topology", "one_to_one", "--seed", "1", "--steps", str(LONG), "--checkpoint-seconds", "0"]
    with start(tmp_path, *arguments) as process:
        process.read_until(f"step {LONG // 10:,} of {LONG:,}")
        process.send_signal(signal.SIGSTOP)  # or else it may come to its end meanwhile
        (folder,) = folders(tmp_path / "runs")
        assert read(folder).shown == "running"
        with pytest.raises(NoRun, match="is running: another process holds it"):
            resume(folder)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        code, shown = process.finish()
    assert code == 130
    assert "Interrupted" in shown
    assert "Nothing was published" in shown
    assert f" resume {folder.name}" in shown
    interrupted = read(folder)
    assert interrupted.shown == "interrupted"
    assert 0 < interrupted.step < LONG
    assert resume(folder) == 0

    undisturbed = plan_echo(GENERAL, "one_to_one", length=5, seed=1, chosen=Chosen(steps=LONG))
    assert train_all([undisturbed], ModelStore(tmp_path / "models"), Wish(runs=tmp_path / "runs")) == 0
    resumed, other = records(tmp_path / "runs")
    assert resumed.status.weights == other.status.weights
    steps = [line.split(",")[0] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [line.split(",")[0] for line in (other.folder / "metrics.jsonl").read_text().splitlines()]
    assert "continues after step" in (folder / "log.txt").read_text()


def test_ctrl_c_in_the_gate_publishes_nothing_and_the_gate_runs_again(tmp_path: Path) -> None:
    with start(tmp_path, "--topology", "many_to_many", "--seed", "1", "--steps", str(STEPS)) as process:
        process.read_until("parameters off the arithmetic")
        process.send_signal(signal.SIGINT)
        code, shown = process.finish()
    assert code == 130
    assert "Nothing was published" in shown
    (folder,) = folders(tmp_path / "runs")
    assert read(folder).shown == "interrupted"
    assert ModelStore(tmp_path / "models").versions("many_to_many") == []
    assert resume(folder) == 0


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    arguments = ["--topology", "one_to_one", "--recipe", "tutorial", "--seed"]
    both = [start(tmp_path, *arguments, seed) for seed in ("26", "1")]
    for process in both:
        with process:
            process.read_until("record in")
            assert process.finish()[0] == 0
    store = ModelStore(tmp_path / "models")
    ended = records(tmp_path / "runs")
    assert [record.shown for record in ended] == ["published", "published"]
    assert ended[0].status.weights != ended[1].status.weights
    for record in ended:
        assert store.verify("one_to_one", record.plan.version).seed == record.plan.seed
    assert store.aliases("one_to_one")["tutorial"].version in [record.plan.version for record in ended]


@pytest.mark.parametrize("kilobytes", [2, 16])  # 2: the record fails; 16: the export, which TensorFlow writes
def test_a_full_disk_fails_the_run_in_one_line_and_the_run_resumes_with_space(tmp_path: Path, kilobytes: int) -> None:
    # A limit on the size of files fails like a full disk.
    with start(tmp_path, "--topology", "one_to_one", "--recipe", "tutorial", largest_file=kilobytes * 1024) as process:
        code, shown = process.finish()
    assert code == 1
    (failed,) = records(tmp_path / "runs")
    assert failed.shown == "failed"
    assert failed.status.reason
    assert "File too large" in failed.status.reason
    assert f"Stopped: {failed.status.reason}." in shown
    assert "Traceback" not in shown
    store = ModelStore(tmp_path / "models")
    assert store.names() == []
    assert resume(failed.folder) == 0
    assert read(failed.folder).shown == "published"
    store.verify("one_to_one", failed.plan.version)


def test_a_store_that_cannot_be_written_fails_the_run_before_it_trains(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder must be")
    store, runs = ModelStore(tmp_path / "models"), tmp_path / "runs"
    assert train_all([QUICK], store, Wish(runs=runs)) == 1
    (failed,) = records(runs)
    assert (failed.shown, failed.step) == ("failed", 0)
    assert failed.status.reason == f"File exists: {tmp_path / 'models'}"
    (tmp_path / "models").unlink()
    assert resume(failed.folder) == 0
    store.verify("one_to_one", failed.plan.version)


def test_a_store_whose_volume_is_lost_in_training_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, runs, away = ModelStore(tmp_path / "home" / "models"), tmp_path / "runs", tmp_path / "away"
    real = gate.judge

    def judge_while_it_goes(*arguments: Any) -> Iterator[Figure]:
        yield from real(*arguments)
        store.root.parent.rename(away)

    monkeypatch.setattr(job, "judge", judge_while_it_goes)
    assert train_all([QUICK], store, Wish(runs=runs)) == 1
    monkeypatch.undo()
    (failed,) = records(runs)
    assert failed.shown == "failed"
    assert "check whether its volume is mounted" in capsys.readouterr().out
    assert resume(failed.folder) == 1
    assert not store.root.exists()

    away.rename(store.root.parent)
    assert resume(failed.folder) == 0
    assert read(failed.folder).status.weights == failed.status.weights
    store.verify("one_to_one", failed.plan.version)


def test_an_ended_run_is_not_repeated(tmp_path: Path) -> None:
    store, runs = ModelStore(tmp_path / "models"), tmp_path / "runs"
    refused = dataclasses.replace(QUICK, steps=5)
    assert train_all([refused, QUICK], store, Wish(runs=runs)) == 1
    assert [record.shown for record in records(runs)] == ["refused", "published"]
    for record in records(runs):
        with pytest.raises(NoRun, match=f"is {record.shown}: there is nothing to resume"):
            resume(record.folder)
    assert len(store.versions("one_to_one")) == 1


def test_a_retrained_model_may_be_slightly_worse_than_production(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, runs = ModelStore(tmp_path / "models"), tmp_path / "runs"
    retrain = Wish("candidate", runs, against_production=True)
    assert train_all([QUICK], store, retrain) == 0
    assert "one_to_one has no production version to compare with" in capsys.readouterr().out
    first = records(runs)[0].plan.version
    store.promote("one_to_one", "production", first)

    assert train_all([QUICK], store, retrain) == 0
    second = records(runs)[1]
    assert second.status.compared_with == first
    (figure,) = [figure for figure in second.gate if figure.name.endswith(", against production")]
    assert figure in store.verify("one_to_one", second.plan.version).gate
    assert figure.bar == pytest.approx(
        figure.value + 0.1 * QUICK.bars.random
    )  # the seed is the same, so this is production's error
    aliases = store.aliases("one_to_one")
    assert {name: alias.version for name, alias in aliases.items()} == {"production": first, "candidate": second.plan.version}

    weaker = dataclasses.replace(QUICK, steps=850)  # passes every other bar
    assert train_all([weaker], store, retrain) == 1
    refused = records(runs)[2]
    assert refused.status.reason == figure.name
    assert len(store.versions("one_to_one")) == 2


def test_a_broken_production_version_does_not_stop_a_new_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, runs = ModelStore(tmp_path / "models"), tmp_path / "runs"
    assert train_all([QUICK], store, Wish("production", runs)) == 0
    broken = records(runs)[0].plan.version
    (store.path("one_to_one", broken) / "saved_model.pb").unlink()
    assert train_all([QUICK], store, Wish("production", runs, against_production=True)) == 0
    assert "is broken, so it is not compared with: saved_model.pb is missing" in " ".join(capsys.readouterr().out.split())
    assert store.aliases("one_to_one")["production"].version == records(runs)[1].plan.version


def test_a_run_of_a_changed_recipe_is_not_resumed(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (tmp_path / "models").write_text("a file where a folder must be")
    assert train_all([QUICK], ModelStore(tmp_path / "models"), Wish(runs=runs)) == 1
    (folder,) = folders(runs)
    written = json.loads((folder / "plan.json").read_text())
    written["recipe_values"]["edge_margin"] = 0.5
    (folder / "plan.json").write_text(json.dumps(written))
    with pytest.raises(NoRun, match=r"recipe tutorial has changed since .* began: edge_margin 0.0, was 0.5"):
        resume(folder)
    assert read(folder).shown == "failed"
