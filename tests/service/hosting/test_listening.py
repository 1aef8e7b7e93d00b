"""Workers and a supervisor, as processes that share a lock and a socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.hosting.listening import FILE, Listeners, only_bind
from tests.conftest import ROOT

WORKER = """
import socket, sys
from pathlib import Path
from service.hosting.listening import Listeners

listener = socket.socket(fileno=int(sys.argv[2]))
listeners = Listeners(Path(sys.argv[1]))
first = listeners.join()
listener.listen()
print(first, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def worker(folder: Path, listener: socket.socket) -> "tuple[subprocess.Popen[str], bool]":
    command = [sys.executable, "-c", WORKER, str(folder), str(listener.fileno())]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[listener.fileno()], cwd=ROOT
    )
    assert process.stdout
    return process, process.stdout.readline() == "True\n"


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=30)


def is_refused(listener: socket.socket) -> bool:
    with socket.socket() as client:
        return client.connect_ex(listener.getsockname()) != 0


def test_the_socket_is_shut_with_the_last_worker_and_listens_again_with_the_next(tmp_path: Path, bound: socket.socket) -> None:
    supervisor = Listeners(tmp_path)
    supervisor.shut_unless_any([bound])
    assert supervisor.joined() == set()  # none ever listened
    assert is_refused(bound)
    first, was_first = worker(tmp_path, bound)
    second, was_second = worker(tmp_path, bound)
    assert (was_first, was_second) == (True, False)
    end(first)
    supervisor.shut_unless_any([bound])
    assert supervisor.joined() == {first.pid, second.pid}
    assert not is_refused(bound)
    end(second)
    supervisor.shut_unless_any([bound])
    assert is_refused(bound)
    assert supervisor.joined() == set()
    supervisor.shut_unless_any([bound])  # for each worker that has ended
    third, was_third = worker(tmp_path, bound)
    assert was_third
    with socket.create_connection(bound.getsockname()) as client:
        accepted, _ = bound.accept()
        with accepted:
            client.sendall(b"still open")
            assert accepted.recv(64) == b"still open"
    end(third)


def test_on_a_full_disk_a_worker_listens_all_the_same(tmp_path: Path) -> None:
    code = "import resource, signal, sys; from pathlib import Path; from service.hosting.listening import Listeners;"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
    code += "print(Listeners(Path(sys.argv[1])).join())"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, (tmp_path / FILE).read_bytes()) == ("True\n", b"")


def test_circus_binds_and_does_not_listen(bound: socket.socket) -> None:
    class Bound(socket.socket):
        """As circus' own, it takes attributes."""

    with Bound(fileno=os.dup(bound.fileno())) as of_circus:
        only_bind([of_circus])
        of_circus.listen(5)
        assert is_refused(of_circus)
