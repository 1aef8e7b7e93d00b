"""Servers that live while they are measured: each in a process group of its own, ended whatever happens."""

import http.client
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.servers.machine import family
from benchmarks.servers.targets import CLOSE_TO_INPUT, Target, environ, numbers
from loadtests.target import ROOT, end, free_port

PATIENCE = 120.0
"""Seconds until a server must have answered once."""
BETWEEN = 0.2
"""Seconds between two servers that are measured: what is left in the queues of one is not another's load, and those that were
stopped catch up with their clocks."""


class NotServing(Exception):
    """A server did not come up, or answered wrongly; the message ends with its log."""


@dataclass(frozen=True)
class Server:
    target: Target
    pid: int
    port: int
    ready_seconds: float  # from its start to its first right answer
    answer: bytes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.target.path}"


@contextmanager
def running(target: Target, model: Path, folder: Path, ready: str | None = None) -> Iterator[Server]:
    """A server that has answered the request rightly. `ready`: the path to wait for instead, for its start-up time."""
    folder.mkdir(parents=True, exist_ok=True)
    log, port = folder / "server.log", free_port()
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            target.command(target.bin, port, folder),
            cwd=ROOT,
            env=environ(target, model, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if ready is not None:
            _wait(process, log, port, "GET", ready, b"")
        seconds = time.perf_counter() - begun
        answer = _wait(process, log, port, "POST", target.path, target.body)
        if ready is None:
            seconds = time.perf_counter() - begun
        check(answer, target.expected, target.within)
        yield Server(target, process.pid, port, seconds, answer)
    finally:
        end(process)


@contextmanager
def alone(server: Server, servers: Sequence[Server]) -> Iterator[None]:
    """Of `servers` only this one runs; the others are stopped, and after it all of them run for BETWEEN. What one does while
    nobody asks it anything (Ray Serve: a twelfth of a core) would be in the tails of all."""
    stopped = [process for other in servers if other is not server for process in family(other.pid)]
    try:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()
    time.sleep(BETWEEN)


def check(answer: bytes, items: Sequence[float], within: float = CLOSE_TO_INPUT) -> None:
    """Raise NotServing unless the answer has these items."""
    found = numbers(answer)
    if len(found) != len(items) or max(abs(a - b) for a, b in zip(found, items, strict=True)) > within:
        raise NotServing(f"a wrong answer: {answer[:200]!r}")


def ask(port: int, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body or None, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _wait(process: subprocess.Popen[bytes], log: Path, port: int, method: str, path: str, body: bytes) -> bytes:
    deadline = time.monotonic() + PATIENCE
    why = "it did not listen"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotServing(f"it ended with {process.returncode}: {_tail(log)}")
        try:
            status, answer = ask(port, method, path, body)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        else:
            if status == 200:
                return answer
            why = f"{status} {answer[:200].decode(errors='replace')}"
        time.sleep(0.01)
    raise NotServing(f"not ready within {PATIENCE:.0f} s: {why}: {_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
