"""Servers that run while they are measured, and end whatever happens."""

import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.servers.machine import family
from benchmarks.servers.targets import CLOSE_TO_INPUT, Target, environ, labels, numbers
from loadtests.client import ask, why_not_ready
from loadtests.processes import NotServing, free_port, process, wait

PATIENCE = 120.0
"""A server must give its first answer within these seconds."""
PAUSE = 0.01
"""Seconds between two looks at a starting server, which limit how exact its start-up time is."""
BETWEEN = 0.2
"""Seconds between two measured servers: the first empties its queues, and stopped servers resume their timers."""


@dataclass(frozen=True)
class Server:
    target: Target
    pid: int
    port: int
    ready_seconds: float  # from its start to its first right answer
    answer: bytes

    @property
    def url(self) -> str:
        """The address of the measured requests."""
        return f"{self.address}{self.target.path}"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(target: Target, model: Path, folder: Path, ready: str | None = None) -> Iterator[Server]:
    """A server that has answered one request rightly. With `ready`, the start-up time ends when that path answers 200."""
    folder.mkdir(parents=True, exist_ok=True)
    log, port, answers = folder / "server.log", free_port(), list[bytes]()
    address = f"http://127.0.0.1:{port}"
    begun = time.perf_counter()
    with process(target.command(target.bin, port, folder), log, environ(target, model, folder)) as own:
        if ready is not None:
            wait(own, log, lambda: why_not_ready(address, ready), PATIENCE, PAUSE)
        seconds = time.perf_counter() - begun
        wait(own, log, lambda: why_not_answered(address + target.path, target.body, answers), PATIENCE, PAUSE)
        if ready is None:
            seconds = time.perf_counter() - begun
        check_for(target, answers[0])
        yield Server(target, own.pid, port, seconds, answers[0])


@contextmanager
def alone(server: Server, servers: Sequence[Server]) -> Iterator[None]:
    """Stop all `servers` but this one for the block; after it all run for BETWEEN seconds. An idle server still works (Ray
    Serve: a twelfth of a core), which would lengthen the tails of the others."""
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


def check_for(target: Target, answer: bytes) -> None:
    """Raises NotServing unless the answer to the target's own request is right."""
    check(answer, target.expected, target.within)
    if labels(answer) != target.labels:
        raise NotServing(f"wrong labels, expected {target.labels}: {answer[:200]!r}")


def check(answer: bytes, items: Sequence[float], within: float = CLOSE_TO_INPUT) -> None:
    """Raises NotServing unless the answer has these items."""
    found = numbers(answer)
    if len(found) != len(items) or max(abs(a - b) for a, b in zip(found, items, strict=True)) > within:
        raise NotServing(f"a wrong answer: {answer[:200]!r}")


def why_not_answered(url: str, body: bytes, into: list[bytes]) -> str | None:
    """None when a POST of `body` is answered 200, with its answer appended to `into`; else the reason."""
    try:
        status, answer = ask(url, "POST", body)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    if status == 200:
        into.append(answer)
        return None
    return f"{status} {answer[:200].decode(errors='replace')}"
