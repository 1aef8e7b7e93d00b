"""A run that is interrupted or killed goes on where it stopped: no row is lost, none is doubled, one version answers all."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.store import ModelStore
from service.errors import NotFinite
from tests.conftest import ROOT
from tests.service.own_models import publish_own
from tests.unroll.bulk.conftest import Run, lists
from tests.unroll.conftest import given
from unroll import Model
from unroll.bulk import job
from unroll.bulk.job import Job
from unroll.bulk.parts import Parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PART_NUMBERS", 20)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npz"])
def test_an_interrupted_run_goes_on_where_it_stopped(
    suffix: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet")
    run("walks", file, "-o", tmp_path / f"whole{suffix}")
    predicted = Job._predict

    for stop in (3, 2, 1):  # after so many pieces more
        left = iter([True] * stop)

        def interrupted(self: Job, *asked: Any, left: Any = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            predicted(self, *asked)

        with monkeypatch.context() as patch:
            patch.setattr(Job, "_predict", interrupted)
            patch.setattr("unroll.bulk.lists.FEWEST_ROWS", 5)
            patch.setattr("unroll.bulk.lists.MOST_ROWS", 5)
            stopped = run("walks", file, "-o", tmp_path / f"answers{suffix}")
        assert stopped.exit_code == 130
        assert "rows; to go on: " in stopped.stderr
    done = run("walks", file, "-o", tmp_path / f"answers{suffix}")
    assert done.exit_code == 0, done.output
    assert "goes on after 26 rows, with walks@" in done.stderr
    assert "40 rows, 1 out of the domain" in done.stderr
    if suffix == ".parquet":
        assert pq.read_table(tmp_path / "answers.parquet").equals(pq.read_table(tmp_path / "whole.parquet"))
    else:
        assert (tmp_path / f"answers{suffix}").read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


@pytest.mark.usefixtures("small_parts")
def test_the_version_that_began_a_file_ends_it(
    store: ModelStore, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_own(store, "walks").version
    store.promote("walks", "production", first)
    file, output = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet"), tmp_path / "answers.npz"

    def fail(*_: object) -> None:
        raise NotFinite("the model failed.")

    def begin() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Job, "_full", fail)
            assert "the model failed." in run("walks", file, "-o", output, store=store.root.parent).output

    begin()
    second = publish_own(store, "walks", seed=2).version
    store.promote("walks", "production", second)
    changed = run("walks", file, "-o", output, "--missing", "fill", store=store.root.parent)
    assert "has what another command has begun: type that command again, or add --force to start over" in changed.output
    assert f"goes on after 40 rows, with walks@{first}" in run("walks", file, "-o", output, store=store.root.parent).stderr
    with np.load(output) as arrays:
        assert set(arrays["version"]) == {first}
    output.unlink()
    begin()
    third = publish_own(store, "walks", seed=3).version
    store.promote("walks", "production", third)
    store.delete("walks", second)
    gone = run("walks", file, "-o", output, store=store.root.parent)
    assert f"40 rows have the answers of {second}. Add --force to start over with another." in gone.output
    assert run("walks", file, "-o", output, "--force", store=store.root.parent).exit_code == 0
    with np.load(output) as arrays:
        assert set(arrays["version"]) == {third}


SMALL = """
import unroll.bulk.job, unroll.bulk.lists, unroll.commands.main
unroll.bulk.job.PART_NUMBERS = unroll.bulk.lists.MOST_ROWS = 1_000
unroll.commands.main.main()
"""


def test_a_killed_run_goes_on_where_it_stopped(kinds: Path, models: dict[str, Model], tmp_path: Path) -> None:
    rows = np.random.default_rng(1).uniform(0, 1, (40_000, 5)).astype(np.float32)
    pq.write_table(pa.table({"value": pa.FixedSizeListArray.from_arrays(rows.ravel(), 5)}), tmp_path / "rows.parquet")
    files = [str(tmp_path / "rows.parquet"), "-o", str(tmp_path / "answers.npz"), "--store", str(kinds)]
    command = [sys.executable, "-c", SMALL, "predict", "many_to_many", *files]
    folder = tmp_path / "answers.npz.parts"
    for parts, how, code in ((3, signal.SIGINT, 130), (9, signal.SIGKILL, -signal.SIGKILL)):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            while len([*folder.glob("*.arrow")]) < parts:
                assert process.poll() is None
                time.sleep(0.001)
            process.send_signal(how)
            _, shown = process.communicate(timeout=60)
        assert process.returncode == code, shown
        assert how != signal.SIGINT or "rows; to go on: " in shown
    kept = len([*folder.glob("*.arrow")])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert "goes on after " in done.stderr
    assert kept >= 9
    with np.load(tmp_path / "answers.npz") as arrays:
        assert arrays["lengths"].tolist() == [5] * len(rows)
        assert np.array_equal(arrays["outputs"], models["many_to_many"].predict(rows).values.ravel())
    assert not folder.exists()


def test_two_commands_do_not_write_one_output(run: Run, tmp_path: Path) -> None:
    file = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet")
    parts = Parts(tmp_path / "answers.csv")
    assert "another process writes" in run("walks", file, "-o", tmp_path / "answers.csv").output
    parts.close()
    assert run("walks", file, "-o", tmp_path / "answers.csv").exit_code == 0


def test_a_part_after_a_gap_is_predicted_again(tmp_path: Path) -> None:
    """An interrupt can lose a part while the next is kept. The rows of both come anew, in other parts."""

    def rows(first: int, number: int) -> pa.Table:
        return pa.table({"row": range(first, first + number)})

    parts = Parts(tmp_path / "answers.npz")
    parts.begin({})
    for first in (0, 4):
        parts.add(rows(first, 2), first)
    (parts.folder / ".1234.tmp").write_bytes(b"killed while it was written")
    assert parts.done == 2
    parts.resume()
    for first, number in ((2, 2), (4, 3), (7, 2)):
        parts.add(rows(first, number), first)
    assert [row for _, table in parts.tables() for row in table["row"].to_pylist()] == [*range(9)]
    assert not [*parts.folder.glob("*.tmp")]
    parts.close()


def test_parts_with_a_damaged_record_are_of_no_command(run: Run, tmp_path: Path) -> None:
    file, output = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet"), tmp_path / "answers.npz"
    parts = Parts(output)
    parts.begin({})
    parts.add(pa.table({"row": [0]}), 0)
    (parts.folder / "progress.json").write_text("{")
    parts.close()
    assert "has what another command has begun" in run("walks", file, "-o", output).output
    assert run("walks", file, "-o", output, "--force").exit_code == 0


def test_a_folder_of_somebody_else_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    file = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet")
    theirs = tmp_path / "answers.csv.parts" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    for model in ("walks", "misspelt"):
        for force in ((), ("--force",)):
            refused = run(model, file, "-o", tmp_path / "answers.csv", *force)
            assert refused.exit_code == 1
            assert "answers.csv.parts has files that are no parts of a run: move it, or name another output" in refused.output
    assert theirs.read_text() == "theirs"
