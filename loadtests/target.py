"""The service under test: found running, or started here and ended again."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName

ROOT: Final = Path(__file__).parent.parent
PATIENCE: Final = 60.0  # seconds for a service that we start
GRACE: Final = 20.0  # seconds to end in before it is killed


class TargetError(Exception):
    """There is nothing to test; the message says why, in one line or with the end of a log."""


@dataclass(frozen=True)
class Served:
    """Which topologies can be asked, and for many_to_one which lengths."""

    topologies: tuple[TopologyName, ...]
    lengths: tuple[int, ...]


class _Model(BaseModel):
    topology: TopologyName
    length: int


class _Models(BaseModel):
    models: list[_Model]


@contextmanager
def target(url: str | None, port: int, log: Path) -> Iterator[str]:
    """The address of a ready service: `url`, else whatever is ready on the local `port`, else one that lives in this block."""
    local = f"http://127.0.0.1:{port}"
    if url is not None:
        why = why_not_ready(url)
        if why:
            raise TargetError(f"nothing is ready at {url}: {why}")
        yield url
    elif why_not_ready(local) is None:
        yield local
    else:
        free = free_port()
        bentoml = str(Path(sys.executable).with_name("bentoml"))
        command = [bentoml, "serve", "service.app:Unroll", "--host", "127.0.0.1", "--port", str(free)]
        with started(command, f"http://127.0.0.1:{free}", log) as own:
            yield own


@contextmanager
def started(command: Sequence[str], url: str, log: Path, patience: float = PATIENCE) -> Iterator[str]:
    """Run a service in a process group of its own, wait until it is ready, and end it whatever happens in the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = {"UNROLL_DRAIN_SECONDS": "0", **os.environ}  # nobody has to notice that it ends
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url, log, patience)
        yield url
    finally:
        end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while why := why_not_ready(url):
        if process.poll() is not None:
            raise TargetError(f"the service ended with {process.returncode} before it was ready; {log} ends:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise TargetError(f"the service was not ready within {patience:.0f} s: {why}; {log} ends:\n{_tail(log)}")
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
    """Ask a group that we started to end, then kill what is left of it, its workers too: BentoML's have their own groups."""
    if process.poll() is not None:
        return  # and its id may be another's by now
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


def why_not_ready(url: str) -> str | None:
    """None when /readyz answers 200."""
    try:
        status, body = _get(url, "/readyz")
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"/readyz answers {status} {body[:200].decode(errors='replace')}".strip()


def served(url: str) -> Served:
    """What GET /models lists. Raises TargetError when it is not an answer of ours, or empty."""
    try:
        status, body = _get(url, "/models")
        if status in (401, 403):
            raise TargetError(f"{url}/models answers {status}: name a key that is let in with UNROLL_KEY")
        if status != 200:
            raise TargetError(f"{url}/models answers {status}; is this the unroll service?")
        models = _Models.model_validate_json(body).models
    except (OSError, http.client.HTTPException) as error:
        raise TargetError(f"{url}/models cannot be read: {error}") from error
    except ValidationError as error:
        raise TargetError(f"{url}/models is not a list of models: {error.errors()[0]['msg']}") from error
    if not models:
        raise TargetError(f"{url} serves no model; publish some with: make train")
    found = {model.topology for model in models}
    lengths = {model.length for model in models if not TOPOLOGIES[model.topology].any_length}
    return Served(tuple(name for name in TOPOLOGY_NAMES if name in found), tuple(sorted(lengths)))


def key_header() -> dict[str, str]:
    """For a service with keys: the one in UNROLL_KEY."""
    key = os.environ.get("UNROLL_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _get(url: str, path: str, timeout: float = 5.0) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path.rstrip("/") + path, headers=key_header())
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def free_port(wanted: int = 0) -> int:
    """A local port that nobody listens on, or `wanted` itself. Raises TargetError when that one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed a moment ago is free
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise TargetError(f"port {wanted} cannot be had: {error.strerror}") from error
        return int(probe.getsockname()[1])


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
