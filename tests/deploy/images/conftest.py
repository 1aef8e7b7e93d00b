"""Images that all these tests share, and their containers."""

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.processes import free_port, started
from tests.conftest import ROOT, environment
from tests.deploy.machine import Machine, why_not

REQUEST = {"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]}
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges")


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if reason := why_not():
        pytest.skip(reason)
    machine = Machine(Path(tempfile.mkdtemp(prefix="unroll-containers-")))  # pytest could not remove mounted folders
    with pytest.MonkeyPatch.context() as patch:
        for name, value in machine.settings.items():
            patch.setenv(name, value)
        try:
            machine.set_up()
            yield machine
        finally:
            machine.tear_down()


@pytest.fixture(scope="session")
def serve_image(machine: Machine, home: Path) -> str:
    return build("serve", home)


@pytest.fixture(scope="session")
def train_image(machine: Machine, home: Path) -> str:
    return build("train", home)


def build(kind: str, home: Path) -> str:
    """The image's name, the last line of `make image`."""
    with environment(home):
        command = [sys.executable, "-m", "deploy.image", kind, "--tool", "podman"]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return built.stdout.splitlines()[-1]


@contextmanager
def container(machine: Machine, image: str, log: Path, *options: str, command: Sequence[str] = ()) -> Iterator[str]:
    """The address of a service in a hardened container, for this block. `command` replaces the image's own."""
    port, name = free_port(), f"unroll-{uuid.uuid4().hex[:8]}"
    podman = [
        "podman",
        "run",
        "--name",
        name,
        *HARDENED,
        "-e",
        f"BENTOML_PORT={port}",
        "-e",
        "UNROLL_ALLOW_OPEN=true",
        "--memory",
        "768m",
        *options,
        image,
        *command,
    ]
    try:
        with started(podman, f"http://127.0.0.1:{port}", log) as url:
            yield url
    finally:
        machine.podman("rm", "--force", "--ignore", "--time", "1", name)
