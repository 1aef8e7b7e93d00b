import os
import socket
import subprocess
import sys

import pytest

from service.hosting.uvicorn_config import WORKER, check_exposure, check_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "/run/unroll.sock", "localhost"])
def test_on_this_machine_alone_no_key_is_needed(host: str) -> None:
    check_exposure(host, keys=False, allow_open=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "fe80::1%eth0", "::ffff:10.0.0.1", ""])
def test_beyond_it_keys_are_needed_or_a_word_that_there_be_none(host: str) -> None:
    check_exposure(host, keys=True, allow_open=False)
    check_exposure(host, keys=False, allow_open=True)
    with pytest.raises(SystemExit, match=r"UNROLL_KEYS_FILE .*UNROLL_ALLOW_OPEN=true.*127\.0\.0\.1"):
        check_exposure(host, keys=False, allow_open=False)


def test_a_port_that_is_taken_is_told_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^Port {port} of 127\.0\.0\.1 is taken by process {os.getpid()} \(.+\)\. End"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
    check_port("127.0.0.1", 0)
    check_port("/run/unroll.sock", 1)


def test_of_a_worker_the_supervisor_is_the_holder() -> None:
    """Whoever ends the worker alone gets another one on the same port."""
    listens = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    command = [sys.executable, "-c", listens, WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        port = int(worker.stdout.readline())
        with pytest.raises(SystemExit, match=rf"is taken by process {os.getpid()} \(.+\S\)\. End that process"):
            check_port("127.0.0.1", port)
        worker.communicate("\n", timeout=20)


def test_an_address_that_cannot_be_listened_on_is_told_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^example\.org is a name: expected an address of this machine with --host"):
        check_port("example.org", 3000)
    with pytest.raises(SystemExit, match=r"^192\.0\.2\.1 is no address of this machine\. Choose another with --host\.$"):
        check_port("192.0.2.1", 3000)
