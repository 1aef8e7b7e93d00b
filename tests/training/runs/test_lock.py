import os
import signal
from pathlib import Path

from training.runs.lock import held, take


def test_a_run_is_held_until_its_lock_is_closed(tmp_path: Path) -> None:
    assert not held(tmp_path)
    lock = take(tmp_path)
    assert lock is not None
    with lock:
        assert held(tmp_path)
        assert take(tmp_path) is None
    assert not held(tmp_path)


def test_a_process_that_asks_never_looks_like_one_that_holds(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            while True:
                held(tmp_path)
        finally:
            os._exit(1)
    try:
        for _ in range(300):
            lock = take(tmp_path)
            assert lock is not None
            lock.close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
