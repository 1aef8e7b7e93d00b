"""The chart's Deployment in podman."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from contract.topologies import TOPOLOGY_NAMES
from loadtests.client import why_not_ready
from tests.asking import post, until
from tests.deploy.chart import of_kind, render
from tests.deploy.images.conftest import HARDENED, REQUEST
from tests.deploy.machine import Machine


def test_the_deployment_runs(helm: str, machine: Machine, serve_image: str, tmp_path: Path) -> None:
    """`podman play kube` knows Deployments, but neither Services nor probes."""
    deployment = of_kind(render(helm, "--set", "replicas=1,image.repository=localhost/unroll"), "Deployment")
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(yaml.safe_dump(deployment))
    try:
        machine.podman("play", "kube", "--network", "bridge", str(manifest))
        serving = named(machine, "-serve")
        url = address(machine, serving)
        wait_until_ready(machine, serving, url)
        for topology in TOPOLOGY_NAMES:
            answer = post(f"{url}/{topology}", json=REQUEST).json()
            assert answer["sequences"][0] == pytest.approx(REQUEST["sequences"][0], abs=0.05)
        assert machine.podman("exec", serving, "id", "-u") == "1034"
        state = json.loads(machine.podman("inspect", serving))[0]
        assert state["HostConfig"]["ReadonlyRootfs"] is True
        assert state["HostConfig"]["Memory"] == 768 * 2**20
        assert not state["EffectiveCaps"]
    finally:
        take_down(machine)


def test_a_deployment_on_an_empty_claim_serves_what_training_publishes(
    helm: str, machine: Machine, serve_image: str, train_image: str, tmp_path: Path
) -> None:
    claim = ("--set", "store.source=claim,store.claim.existing=first-install")
    deployment = of_kind(render(helm, "--set", "replicas=1,image.repository=localhost/unroll", *claim), "Deployment")
    # Else podman removes the ended init container, which sometimes fails: "cannot remove, as it is running".
    deployment["metadata"]["annotations"] = {"io.podman.annotations.init.container.type": "always"}
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(yaml.safe_dump(deployment))
    command = ["podman", "play", "kube", "--network", "bridge", str(manifest)]
    with subprocess.Popen(command, env=machine.environment, stdout=subprocess.DEVNULL) as playing:  # runs until the pod is up
        try:
            waiting = named(machine, "-await-model")
            assert first_line(machine, waiting) == "waiting for training to publish a model in /store/models\n"
            assert playing.poll() is None
            machine.podman(
                "run", "--rm", *HARDENED, "-v", "first-install:/store", train_image, "run", "--topology", "one_to_one"
            )
            assert playing.wait(60) == 0
            serving = named(machine, "-serve")
            url = address(machine, serving)
            wait_until_ready(machine, serving, url)
            answer = post(f"{url}/one_to_one", json=REQUEST).json()
            assert answer["sequences"][0] == pytest.approx(REQUEST["sequences"][0], abs=0.05)
        finally:
            playing.kill()
            take_down(machine)


def take_down(machine: Machine) -> None:
    """Remove the pod. A mount of an ended container may be in use for a moment longer, and podman gives up at once."""

    def removed() -> bool:
        try:
            machine.podman("pod", "rm", "--all", "--force")
        except AssertionError as error:
            if "device or resource busy" in str(error):
                return False
            raise
        return True

    until(removed)


def named(machine: Machine, end: str) -> str:
    """The only container whose name ends in `end`, once it exists."""
    for _ in range(600):
        names = [name for name in machine.podman("ps", "--format", "{{.Names}}").splitlines() if name.endswith(end)]
        if names:
            (name,) = names
            return name
    raise AssertionError(f"no container's name ends with {end}")


def first_line(machine: Machine, container: str) -> str:
    """The first line of its log, once it is written."""
    command = ["podman", "logs", "--follow", container]
    with subprocess.Popen(command, env=machine.environment, stdout=subprocess.PIPE, text=True) as log:
        try:
            assert log.stdout is not None
            return log.stdout.readline()
        finally:
            log.kill()


def address(machine: Machine, container: str) -> str:
    """The address of the container's pod, which podman stores with the pod's first container."""
    pod = machine.podman("inspect", container, "--format", "{{.Pod}}")
    infra = machine.podman("pod", "inspect", pod, "--format", "{{.InfraContainerID}}")
    networks = json.loads(machine.podman("inspect", infra, "--format", "{{json .NetworkSettings.Networks}}"))
    ((_, network),) = networks.items()
    return f"http://{network['IPAddress']}:3000"


def wait_until_ready(machine: Machine, name: str, url: str) -> None:
    """Try once a second for two minutes, like the startup probe."""
    command = ["podman", "wait", "--condition", "exited", "--condition", "stopped", name]
    with subprocess.Popen(command, env=machine.environment, stdout=subprocess.PIPE) as ended:
        try:
            for _ in range(120):
                if why_not_ready(url) is None:
                    return
                try:
                    ended.wait(1)
                except subprocess.TimeoutExpired:
                    continue
                break
        finally:
            ended.kill()
    raise AssertionError(f"{name} is not ready: {why_not_ready(url)}; {machine.podman('logs', name)}")
