"""Runs that are killed, interrupted, or lose their disk, and what becomes of them."""

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract.store import ModelStore
from tests.conftest import ROOT
from tests.victim import Victim
from training import checkpoints
from training.job import Wish, resume, train_all
from training.recipes import GENERAL, TUTORIAL, plan
from training.run_plan import NoRun
from training.runs import Record, folders, read

QUICK = plan(TUTORIAL, "one_to_one", length=5, seed=1)
KILLS = 10
WRITES = 165
EVENTS = (1_100, 9_800)
"""Of an undisturbed run of `go_on`: up to its last step, compiling included, and in all."""


def records(runs: Path) -> list[Record]:
    return [read(folder) for folder in folders(runs)]


def go_on(root: Path) -> None:
    """What the victim runs: take up what died, or else begin; checkpoints after every chunk."""
    os.dup2(os.open(root.parent / "shown", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    runs = root.parent / "runs"
    died = [record.folder for record in records(runs) if record.shown == "died"]
    settled = plan(GENERAL, "one_to_one", length=5, seed=1, steps=3_000)
    wish = Wish(runs=runs, against_production=True, checkpoint_seconds=0)
    assert (resume(died[0]) if died else train_all([settled], ModelStore(root), wish)) == 0


def test_killed_at_ten_random_moments_the_weights_are_those_of_an_undisturbed_run(store: ModelStore) -> None:
    runs = store.root.parent / "runs"
    chance = random.Random(5)
    killed_at: list[Record] = []
    with Victim("tests.training.test_job:go_on", store.root) as victim:
        victim.start()
        assert victim.exit_code() == 0
        (undisturbed,) = records(runs)
        while len(killed_at) < KILLS or records(runs)[-1].shown == "died":
            if len(killed_at) == KILLS:
                victim.start()
            elif len(killed_at) % 2:
                victim.start(chance.randint(1, chance.choice(EVENTS)), at="event")
            else:
                victim.start(chance.randint(1, WRITES))
            code = victim.exit_code()
            assert code in (0, -signal.SIGKILL)
            if code:
                killed_at.append(records(runs)[-1])
    assert {record.shown for record in killed_at} <= {"died", "published"}  # published: killed after its last word
    assert any(record.step == 0 for record in killed_at)
    assert any(0 < record.step < record.plan.steps for record in killed_at)
    assert any(record.step == record.plan.steps for record in killed_at)

    ended = records(runs)
    assert {record.shown for record in ended} == {"published"}
    assert {record.status.weights for record in ended} == {undisturbed.status.weights}
    for record in ended:
        last = checkpoints.newest(record.folder / "checkpoints", print)
        assert last is not None
        assert last.step == 3_000
        weights = hashlib.sha256(b"".join(array.tobytes() for array in last.state[::3])).hexdigest()
        assert weights == undisturbed.status.weights
        assert record.gate == store.verify("one_to_one", record.plan.version).gate
    assert store.versions("one_to_one") == [record.plan.version for record in ended]
    (production,) = store.aliases("one_to_one").values()
    assert production.versions == tuple(record.plan.version for record in ended)  # named once each


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "training", *arguments, "--runs", str(home / "runs")]
    environment = os.environ | {"BENTOML_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"ended without {word}")


def test_one_at_a_time_and_after_ctrl_c_to_the_same_weights(tmp_path: Path) -> None:
    arguments = ["--topology", "one_to_one", "--seed", "1", "--steps", "20000", "--checkpoint-seconds", "0"]
    with start(tmp_path, "run", *arguments) as process:
        read_until(process, "step 2,000 of 20,000")
        (folder,) = folders(tmp_path / "runs")
        assert read(folder).shown == "running"
        with pytest.raises(NoRun, match="is running: another process holds it"):
            resume(folder)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate()
    assert process.returncode == 130
    assert "Interrupted" in shown
    assert "Nothing of it was published" in shown
    assert f"python -m training resume {folder.name}" in shown
    interrupted = read(folder)
    assert interrupted.shown == "interrupted"
    assert 0 < interrupted.step < 20_000
    assert resume(folder) == 0

    undisturbed = plan(GENERAL, "one_to_one", length=5, seed=1, steps=20_000)
    assert train_all([undisturbed], ModelStore(tmp_path / "models"), Wish(runs=tmp_path / "runs")) == 0
    resumed, other = records(tmp_path / "runs")
    assert resumed.status.weights == other.status.weights
    steps = [line.split(",")[0] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [line.split(",")[0] for line in (other.folder / "metrics.jsonl").read_text().splitlines()]
    assert "goes on after step" in (folder / "log.txt").read_text()


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    arguments = ["--topology", "one_to_one", "--recipe", "tutorial", "--seed"]
    both = [start(tmp_path, "run", *arguments, seed) for seed in ("26", "1")]
    for process in both:
        with process:
            read_until(process, "record in")
        assert process.returncode == 0
    store = ModelStore(tmp_path / "models")
    ended = records(tmp_path / "runs")
    assert [record.shown for record in ended] == ["published", "published"]
    assert ended[0].status.weights != ended[1].status.weights
    for record in ended:
        assert store.verify("one_to_one", record.plan.version).seed == record.plan.seed
    assert store.aliases("one_to_one")["tutorial"].version in [record.plan.version for record in ended]


@pytest.mark.parametrize("kilobytes", [2, 16])  # the record, and the export, which TensorFlow writes itself
def test_a_full_disk_fails_the_run_in_a_sentence_and_it_goes_on_when_there_is_room(
    tmp_path: Path, kilobytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    store, runs = ModelStore(tmp_path / "models"), tmp_path / "runs"
    child = os.fork()
    if child == 0:  # a process that may write no larger file: what it meets is as on a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))
        os._exit(train_all([QUICK], store, Wish(runs=runs)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    (failed,) = records(runs)
    assert failed.shown == "failed"
    assert failed.status.reason
    assert "File too large" in failed.status.reason
    assert "\n" not in failed.status.reason
    assert store.names() == []
    assert resume(failed.folder) == 0
    assert read(failed.folder).shown == "published"
    store.verify("one_to_one", failed.plan.version)
