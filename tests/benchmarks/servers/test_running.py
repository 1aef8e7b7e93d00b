import subprocess
import sys
import time
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks.servers.running import Server, alone
from benchmarks.servers.targets import TARGETS
from loadtests.processes import end

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Two processes, each with a child."""
    started = [
        subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(2)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield [Server(TARGETS[0], process.pid, 0, 0.0, b"") for process in started]
    finally:
        for process in started:
            end(process)
            process.communicate()


def is_stopped(server: Server, expected: bool) -> bool:
    """Whether the whole server stops (or runs) within ten seconds; a signal needs a moment."""
    leader = psutil.Process(server.pid)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if {process.status() == psutil.STATUS_STOPPED for process in (leader, *leader.children())} == {expected}:
            return True
    return False


def test_all_servers_except_the_measured_one_are_stopped(servers: list[Server]) -> None:
    measured, other = servers
    for _ in range(2):
        with alone(measured, servers):
            assert is_stopped(other, True)
            assert is_stopped(measured, False)
        assert is_stopped(other, False)
    with pytest.raises(ZeroDivisionError), alone(measured, servers):
        raise ZeroDivisionError
    assert is_stopped(other, False)
    with alone(measured, servers):  # a stopped server dies before it should continue
        leader = psutil.Process(other.pid)
        leader.kill()
        leader.wait(10)
