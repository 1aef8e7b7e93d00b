import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.manifest import Figure
from tests.training.runs.test_plan import written
from training.runs.plan import NoRun
from training.runs.record import (
    CURVE,
    FIGURES,
    begin,
    curve,
    find,
    folders,
    keep_metrics,
    last_metrics,
    read,
    sentence,
    take_up,
)
from training.sequences.dataset import Dataset


def test_a_run_is_running_while_its_process_holds_it_and_has_its_outcome_afterwards(tmp_path: Path) -> None:
    run = begin(tmp_path, written(tmp_path))
    with run:
        assert read(run.folder).shown == "running"
        with pytest.raises(NoRun, match="is running"):
            take_up(run.folder)
        run.end("published")
    found = read(run.folder)
    assert (found.shown, found.version) == ("published", run.plan.version)
    assert found.plan == run.plan


def test_a_record_that_a_full_disk_stops_leaves_nothing(tmp_path: Path) -> None:
    class Large(Dataset):
        def save(self, path: Path) -> None:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device", str(path))

    data = Large.__new__(Large)  # its values are never read
    with pytest.raises(OSError, match=r"data\.npz"):
        begin(tmp_path, written(tmp_path), data)
    assert list(tmp_path.iterdir()) == []


def test_a_clock_set_back_keeps_the_seconds_of_work(tmp_path: Path) -> None:
    with begin(tmp_path, written(tmp_path)) as run:
        run.note(began=datetime.now(UTC) + timedelta(hours=1), worked=5.0)
        assert run.worked() == 5.0
        run.end("refused")


def test_the_end_of_the_block_sets_the_status(tmp_path: Path) -> None:
    shown = []
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device", "/a"), ValueError("odd\nmore")):
        run = begin(tmp_path, written(tmp_path))
        with pytest.raises(type(error)), run:
            raise error
        shown.append((read(run.folder).shown, read(run.folder).status.reason))
    assert shown == [("interrupted", None), ("failed", "No space left on device: /a"), ("failed", "ValueError: odd")]


def test_a_run_may_end_in_any_thread(tmp_path: Path) -> None:
    def work() -> str:
        with begin(tmp_path, written(tmp_path)) as run:
            run.end("published")
        return read(run.folder).shown

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(work).result() == "published"


def test_a_run_whose_process_was_killed_has_died_and_can_be_taken_up(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        begin(tmp_path, written(tmp_path))
        os._exit(0)  # without cleaning up, as after a kill
    os.waitpid(child, 0)
    (folder,) = folders(tmp_path)
    assert read(folder).shown == "died"
    with take_up(folder):
        assert read(folder).shown == "running"
    assert read(folder).shown == "died"  # the block set no status


def test_reading_a_record_never_looks_like_holding_it(tmp_path: Path) -> None:
    """A process that reads a record all the time does not keep another from holding it."""
    with begin(tmp_path, written(tmp_path)) as run:
        run.end("interrupted")
    child = os.fork()
    if child == 0:
        try:
            while True:
                read(run.folder)
        finally:
            os._exit(1)
    try:
        for _ in range(300):
            with take_up(run.folder) as again:
                again.end("interrupted")
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL  # reading never failed


def test_runs_are_found_by_the_beginning_of_their_id_or_as_the_last(tmp_path: Path) -> None:
    for version in ("20260101-a", "20260102-b"):
        begin(tmp_path, written(tmp_path, version)).__exit__(None, None, None)
    assert find(tmp_path, "20260101").name == "20260101-a-one_to_one"
    assert find(tmp_path, "last").name == "20260102-b-one_to_one"
    with pytest.raises(NoRun, match="2 runs begin with 2026: 20260101-a-one_to_one, 20260102-b-one_to_one"):
        find(tmp_path, "2026")
    with pytest.raises(NoRun, match="has no run 1999"):
        find(tmp_path, "1999")
    with pytest.raises(NoRun, match="has no run last"):
        find(tmp_path / "nowhere", "last")


def test_other_folders_are_not_listed_and_a_damaged_record_says_why(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    assert folders(tmp_path) == []
    with begin(tmp_path, written(tmp_path)) as run:
        run.end("interrupted")
    (run.folder / "plan.json").write_text("{}")
    with pytest.raises(NoRun, match="cannot be read"):
        read(run.folder)
    shutil.rmtree(run.folder)
    with pytest.raises(NoRun, match="cannot be read: No such file"):
        read(run.folder)


def test_metrics_are_read_and_cut_at_whole_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": step / 7}) + "\n" for step in (500, 1_000, 1_500)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines) + '{"step": 2')
    assert last_metrics(tmp_path)["step"] == 1_500
    keep_metrics(tmp_path, 1_000)
    assert (tmp_path / "metrics.jsonl").read_text() == "".join(lines[:2])
    keep_metrics(tmp_path, 0)
    assert last_metrics(tmp_path) == {}


def test_the_worst_figure_is_the_one_nearest_to_or_furthest_past_its_bar(tmp_path: Path) -> None:
    figures = [
        Figure(name=name, value=value, bar=bar) for name, value, bar in (("a", 0, 0), ("b", 0.02, 0.03), ("c", 0.02, 0.05))
    ]
    with begin(tmp_path, written(tmp_path)) as run:
        run.end("interrupted")
    assert read(run.folder).worst is None
    (run.folder / "gate.json").write_bytes(FIGURES.dump_json(figures))
    assert read(run.folder).worst == figures[1]
    (run.folder / "gate.json").write_bytes(FIGURES.dump_json([*figures, Figure(name="d", value=float("nan"), bar=1)]))
    worst = read(run.folder).worst
    assert worst is not None
    assert worst.name == "d"


def test_an_error_is_one_line(tmp_path: Path) -> None:
    assert sentence(OSError("lost\nand more")) == "lost"
    assert sentence(shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'"), ("c", "d", "x")])) == (
        "[Errno 28] No space left on device: 'b'"
    )


@pytest.mark.parametrize("lines", [1, 2, CURVE, CURVE + 1, 10 * CURVE])
def test_a_curve_has_few_points_and_ends_with_the_last(tmp_path: Path, lines: int) -> None:
    written = [{"step": step, "steps": lines, "loss": 1 / step, "seconds": 0.1, "metric": None} for step in range(1, lines + 1)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    points = curve(tmp_path)
    assert min(lines, CURVE // 2) <= len(points) <= CURVE
    assert (points[-1].step, points[-1].loss, points[-1].metric) == (lines, 1 / lines, None)
    assert [point.step for point in points] == sorted({point.step for point in points})
