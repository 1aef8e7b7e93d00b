import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.versions.worker_states import WorkerStates
from tests.conftest import ROOT


def told_by_another_process(folder: Path, then: str = "") -> "subprocess.Popen[str]":
    code = (
        f"from pathlib import Path; from service.versions.worker_states import WorkerStates as W; w = W(Path({str(folder)!r}));"
    )
    code += f"w.tell({{'serving': {{}}}}); print('told', flush=True); {then}"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )


def test_the_last_state_of_a_worker_is_known_by_its_process_id(tmp_path: Path) -> None:
    workers = WorkerStates(tmp_path / "mine")
    workers.tell({"serving": {"one_to_one": "first"}})
    workers.tell({"serving": {"one_to_one": "second"}})
    assert workers.all() == [{"pid": os.getpid(), "serving": {"one_to_one": "second"}}]
    workers.leave()
    workers.leave()
    assert workers.all() == []


def test_a_worker_that_leaves_takes_nothing_of_the_others(tmp_path: Path) -> None:
    workers = WorkerStates(tmp_path / "shared")
    with told_by_another_process(tmp_path / "shared", "input()") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "told\n"
        workers.tell({"serving": {}})
        workers.leave()
        assert [state["pid"] for state in workers.all()] == [other.pid]
        other.kill()


def test_a_worker_that_starts_finds_the_folder_after_the_last_one_has_left(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    leaving = WorkerStates(folder)
    leaving.tell({"serving": "old"})
    (folder / "key.rate").write_bytes(bytes(8))
    starting = WorkerStates(folder)
    leaving.leave()
    starting.tell({"serving": "new"})
    assert WorkerStates(folder).all() == [{"pid": os.getpid(), "serving": "new"}]
    assert (folder / "key.rate").exists()


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    workers = WorkerStates(tmp_path / "workers")
    shutil.rmtree(tmp_path / "workers")
    workers.tell({"serving": "new"})
    assert workers.all() == [{"pid": os.getpid(), "serving": "new"}]
    assert (tmp_path / "workers").stat().st_mode & 0o777 == 0o700


def test_the_supervisor_removes_the_folder_of_its_workers(tmp_path: Path) -> None:
    worker = "from service.versions.worker_states import WorkerStates as W; w = W(); w.tell({}); w.leave(); print(w._folder)"
    supervisor = (
        "import subprocess, sys; from pathlib import Path; from service.versions.worker_states import remove_at_exit;"
        f"remove_at_exit(); folder = subprocess.check_output([sys.executable, '-c', {worker!r}], text=True).strip();"
        "print(folder, Path(folder).is_dir())"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    told = subprocess.check_output([sys.executable, "-c", supervisor], text=True, env=environment, cwd=ROOT)
    folder, there = told.split()
    assert (there, Path(folder).parent, Path(folder).exists()) == ("True", tmp_path, False)


def test_the_last_worker_removes_the_folder_of_a_killed_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "workers"
    workers = WorkerStates(folder)
    workers.tell({})
    (folder / "1.json").write_text("{}")
    (folder / "key.rate").write_bytes(bytes(8))
    monkeypatch.setattr(os, "getppid", lambda: 1)
    workers.leave()
    assert sorted(path.name for path in folder.iterdir()) == ["1.json", "key.rate"]
    (folder / "1.json").unlink()
    workers.leave()
    assert not folder.exists()


def test_all_living_workers_are_seen_and_files_of_dead_ones_are_removed(tmp_path: Path) -> None:
    workers = WorkerStates(tmp_path)
    workers.tell({"serving": {}})
    with told_by_another_process(tmp_path, "input()") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "told\n"
        assert [state["pid"] for state in workers.all()] == sorted([os.getpid(), other.pid])
        other.kill()  # it has no time to leave
        other.wait()
        assert [state["pid"] for state in workers.all()] == [os.getpid()]
    assert [path.name for path in tmp_path.iterdir()] == [f"{os.getpid()}.json"]


def test_workers_of_one_supervisor_share_a_folder_that_no_other_user_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where no killed service has left its folder
    first, second = WorkerStates(tmp_path / "shared"), WorkerStates(tmp_path / "shared")
    first.tell({"serving": {}})
    assert second.all() == first.all()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o700
    assert WorkerStates()._folder.name == f"unroll-{os.getuid()}-{os.getppid()}"
    WorkerStates()._folder.rmdir()


def test_a_state_is_replaced_whole(tmp_path: Path) -> None:
    workers = WorkerStates(tmp_path)
    for n in range(20):
        workers.tell({"serving": {"x" * n: "y"}})
        (path,) = tmp_path.iterdir()
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_two_threads_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    workers, others = WorkerStates(tmp_path), WorkerStates(tmp_path)
    others._mine = tmp_path / "nobody's"  # so that it reads what is written

    def tell(size: int) -> None:
        for _ in range(300):
            workers.tell({"serving": {"x": "y" * size}})

    with ThreadPoolExecutor(2) as threads:
        told = [threads.submit(tell, size) for size in (10, 10_000)]
        while not all(done.done() for done in told):
            assert all(state["pid"] == os.getpid() for state in others.all())
        for done in told:
            done.result()


def test_a_worker_knows_its_own_state_even_if_the_file_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workers = WorkerStates(tmp_path)
    workers.tell({"serving": 1})
    (tmp_path / f"{os.getpid()}.tmp").mkdir()  # in the way of the next file, as a full disk would be
    with caplog.at_level(logging.WARNING):
        workers.tell({"serving": 2})
    assert workers.all() == [{"pid": os.getpid(), "serving": 2}]
    assert "cannot write what this worker serves" in caplog.text
    assert WorkerStates(tmp_path)._mine.read_text().endswith('"serving": 1}')
