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
    """Two, each with a child."""
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
    """Whether all of it comes to be so; a signal needs a moment."""
    leader = psutil.Process(server.pid)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if {process.status() == psutil.STATUS_STOPPED for process in (leader, *leader.children())} == {expected}:
            return True
    return False


def test_all_servers_but_the_one_that_is_measured_are_stopped_meanwhile(servers: list[Server]) -> None:
    measured, other = servers
    for _ in range(2):
        with alone(measured, servers):
            assert is_stopped(other, True)
            assert is_stopped(measured, False)
        assert is_stopped(other, False)
    with pytest.raises(ZeroDivisionError), alone(measured, servers):
        raise ZeroDivisionError
    assert is_stopped(other, False)
    with alone(measured, servers):  # one that is gone when it is to go on
        leader = psutil.Process(other.pid)
        leader.kill()
        leader.wait(10)
