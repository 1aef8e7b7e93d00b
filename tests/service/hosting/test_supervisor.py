"""What the supervisor says of workers that end, with circus' own arbiter over small processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SUPERVISOR = """
import logging, os, sys
from bentoml._internal.utils.circus import create_standalone_arbiter
from circus.watcher import Watcher
from service.hosting.supervisor import attend

class EndsAfterTheFirst(logging.Handler):
    def emit(self, record):
        if "has ended" in record.getMessage():
            print(record.getMessage(), flush=True)
            os.killpg(0, 9)

logging.getLogger("service.hosting.supervisor").addHandler(EndsAfterTheFirst())
attend(0.0, 1.0)
worker = Watcher("worker", sys.executable, ["-c", sys.argv[1]], env={"PROMETHEUS_MULTIPROC_DIR": sys.argv[2]})
create_standalone_arbiter([worker], check_delay=0.05).start()
"""
FIRST_THREAD_ENDS_FIRST = """
import ctypes, os, threading, time

def end_later():
    time.sleep(1)
    os._exit(3)

threading.Thread(target=end_later).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@contextmanager
def running(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of this code. In the end it is killed with its workers, if any is left."""
    command, pipe = [sys.executable, "-c", code, *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as supervisor:
        try:
            yield supervisor
        finally:
            with suppress(ProcessLookupError):
                os.killpg(supervisor.pid, signal.SIGKILL)


def test_a_worker_that_ends_slowly_is_reaped_with_its_exit_code(tmp_path: Path) -> None:
    with running(SUPERVISOR, FIRST_THREAD_ENDS_FIRST, str(tmp_path)) as supervisor:
        said, _ = supervisor.communicate(timeout=60)
    assert said.startswith("worker ")
    assert said.endswith("has ended with 3\n")


STARTS_SLOWLY = """
import sys
from bentoml._internal.utils.circus import create_standalone_arbiter
from circus.watcher import Watcher
from service.hosting.supervisor import attend

attend(0.0, 1.0)
env = {"PROMETHEUS_MULTIPROC_DIR": sys.argv[1]}
arguments = ["-c", "print('started', flush=True); input()"]
worker = Watcher("worker", sys.executable, arguments, env=env, warmup_delay=1, close_child_stdin=False)
create_standalone_arbiter([worker]).start()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_while_it_starts_its_workers_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    """The arbiter refuses every other command meanwhile."""
    with running(STARTS_SLOWLY, str(tmp_path)) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "started\n"
        supervisor.send_signal(number)
        assert supervisor.wait(30) == 0


CONTAINER = """
import logging, os, sys
from bentoml._internal.utils.circus import create_standalone_arbiter
from circus.watcher import Watcher
from service.hosting import supervisor

supervisor.STARTED_SECONDS, supervisor.LOOK_SECONDS = 2.0, 0.05
supervisor.attend(0.0, 1.0)
env = {"PROMETHEUS_MULTIPROC_DIR": sys.argv[2]}
worker = Watcher("worker", sys.executable, ["-c", *sys.argv[1:]], env=env, respawn=False)
create_standalone_arbiter([worker], check_delay=0.05).start()
"""
LIVES_FIRST = """
import os, pathlib, sys, time
lives = pathlib.Path(sys.argv[1], "lives")
number = len(lives.read_text()) if lives.exists() else 0
lives.write_text("x" * (number + 1))
time.sleep(0.0 if number else 2.5)
os._exit(3)
"""


def test_in_a_container_one_that_lived_is_replaced_and_one_that_cannot_start_is_not(tmp_path: Path) -> None:
    """The first lives for a while; the second, which replaces it, ends at once."""
    command = [sys.executable, "-c", CONTAINER, LIVES_FIRST, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, start_new_session=True)
    assert (tmp_path / "lives").read_text() == "xx"
    assert ended.returncode == 1
    assert ended.stderr.endswith("No worker is left, so the service ends. The lines above say why the last one ended.\n")
