"""Services as processes: find a port, start, wait until ready, end. Tests, load tests and benchmarks all start them here."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil  # type: ignore[import-untyped]

from loadtests.client import why_not_ready

ROOT: Final = Path(__file__).parent.parent
BIN: Final = Path(sys.executable).parent
PATIENCE: Final = 60.0  # seconds until a service must be ready
GRACE: Final = 20.0  # seconds to end in before it is killed
SERVICE: Final = "service.app:Unroll"
NOTHING_MORE: Final[Mapping[str, str]] = MappingProxyType({})


class NotServing(Exception):
    """No service can be asked. The message says why, in one line or with the end of its log."""


def bentoml_serve(port: int, service: str = SERVICE, host: str = "127.0.0.1", bin_: Path = BIN) -> list[str]:
    """The command that serves a BentoML service; `bin_` is its environment's."""
    return [str(bin_ / "bentoml"), "serve", service, "--host", host, "--port", str(port)]


def home_environment(home: Path) -> dict[str, str]:
    """The environment of a process that uses `home` as its BENTOML_HOME."""
    return {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "TF_CPP_MIN_LOG_LEVEL": "2"}


def free_port(wanted: int = 0) -> int:
    """A local port on which nothing listens, or `wanted` itself. Raises NotServing when `wanted` is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was closed a moment ago is free
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise NotServing(f"port {wanted} cannot be used: {error.strerror}") from error
        return int(probe.getsockname()[1])


def start(command: Sequence[str], log: Path, more: Mapping[str, str] = NOTHING_MORE) -> subprocess.Popen[bytes]:
    """Run a command in a process group of its own; `more` is set in its environment, its output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    drain = {"UNROLL_DRAIN_SECONDS": "0"}  # no client has to notice that the service ends
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            cwd=ROOT,
            env={**drain, **os.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(
    process: subprocess.Popen[bytes],
    log: Path,
    why_not: Callable[[], str | None],
    patience: float = PATIENCE,
    pause: float = 0.1,
) -> None:
    """Wait until `why_not` gives no reason any more. Raises NotServing when the process ends before, or time runs out."""
    deadline = time.monotonic() + patience
    while why := why_not():
        if process.poll() is not None:
            raise NotServing(f"the service ended with {process.returncode} before it was ready; {log} ends:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise NotServing(f"the service was not ready within {patience:.0f} s: {why}; {log} ends:\n{_tail(log)}")
        time.sleep(pause)


@contextmanager
def process(command: Sequence[str], log: Path, more: Mapping[str, str] = NOTHING_MORE) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the block."""
    own = start(command, log, more)
    try:
        yield own
    finally:
        end(own)


@contextmanager
def started(command: Sequence[str], url: str, log: Path, patience: float = PATIENCE, ready: str = "/readyz") -> Iterator[str]:
    """The address of a service that lives as long as the block, and is ready when the block begins."""
    with process(command, log) as own:
        wait(own, log, lambda: why_not_ready(url, ready), patience)
        yield url


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
    """Ask a process group of ours to end, then kill the rest. BentoML's workers have groups of their own, and end too."""
    if process.poll() is not None:
        return  # another process may have its id by now
    leader = psutil.Process(process.pid)
    family = [leader, *leader.children(recursive=True)]
    try:
        os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    finally:  # also when a second Ctrl-C cuts the waiting short
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
