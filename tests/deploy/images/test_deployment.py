"""The chart's Deployment, run for real by podman."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from contract.topologies import TOPOLOGY_NAMES
from loadtests.target import why_not_ready
from tests.asking import post
from tests.deploy.chart import of_kind, render
from tests.deploy.images.conftest import REQUEST
from tests.deploy.machine import Machine


def test_the_deployment_runs(helm: str, machine: Machine, serve_image: str, tmp_path: Path) -> None:
    """By `podman play kube`, which knows Deployments, but neither Services nor probes."""
    deployment = of_kind(render(helm, "--set", "replicas=1,image.repository=localhost/unroll"), "Deployment")
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(yaml.safe_dump(deployment))
    try:
        machine.podman("play", "kube", "--network", "bridge", str(manifest))
        names = machine.podman("ps", "--format", "{{.Names}}").splitlines()
        (serving,) = (name for name in names if name.endswith("-serve"))
        pod = machine.podman("inspect", serving, "--format", "{{.Pod}}")
        infra = machine.podman("pod", "inspect", pod, "--format", "{{.InfraContainerID}}")
        networks = json.loads(machine.podman("inspect", infra, "--format", "{{json .NetworkSettings.Networks}}"))
        ((_, network),) = networks.items()
        url = f"http://{network['IPAddress']}:3000"
        wait_until_ready(machine, serving, url)
        for topology in TOPOLOGY_NAMES:
            answer = post(f"{url}/{topology}", json=REQUEST).json()
            assert answer["sequences"][0] == pytest.approx(REQUEST["sequences"][0], abs=0.05)
        assert machine.podman("exec", serving, "id", "-u") == "1034"
        state = json.loads(machine.podman("inspect", serving))[0]
        assert state["HostConfig"]["ReadonlyRootfs"] is True
        assert state["HostConfig"]["Memory"] == 2 * 2**30
        assert not state["EffectiveCaps"]
    finally:
        machine.podman("play", "kube", "--down", str(manifest))


def wait_until_ready(machine: Machine, name: str, url: str) -> None:
    """As the startup probe would: once a second for two minutes."""
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
