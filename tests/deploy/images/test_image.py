"""Images that are really built, and containers that really run: podman over runc, on a stand-in for the base image."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES
from deploy import image
from tests.asking import get, post
from tests.conftest import ROOT, environment
from tests.deploy.images.conftest import HARDENED, REQUEST, container
from tests.deploy.machine import Machine
from tests.e2e.conftest import serving

GB = 1e9


def test_a_hardened_container_answers_as_the_service_does_elsewhere(
    machine: Machine, serve_image: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    with container(machine, serve_image, tmp_path / "log") as there:
        seconds = time.monotonic() - begun
        with serving(home) as here:
            for topology in TOPOLOGY_NAMES:
                expected, answer = (post(f"{at}/{topology}", json=REQUEST) for at in (here, there))
                assert expected.status_code == answer.status_code == 200
                (row,), (expected_row,) = answer.json()["sequences"], expected.json()["sequences"]
                assert row == pytest.approx(expected_row, abs=1e-6)
                assert row == pytest.approx(REQUEST["sequences"][0], abs=0.05)
        assert get(f"{there}/models").json()["refused"] == []
        assert post(f"{there}/one_to_one", json={**REQUEST, "model_version": "production"}).status_code == 200
        assert f'commit="{image.commit()}",version="{image.version()}"' in get(f"{there}/metrics").text
    with capsys.disabled():
        print(f"\n{serve_image}: {size(machine, serve_image) / GB:.2f} GB, ready after {seconds:.1f} s", file=sys.stderr)


def test_the_serving_image_is_small_and_nobody_in_it_is_root(machine: Machine, serve_image: str) -> None:
    assert size(machine, serve_image) < 1.3 * GB
    assert machine.podman("image", "inspect", serve_image, "--format", "{{.Config.User}}") == "1034:1034"
    labels = json.loads(machine.podman("image", "inspect", serve_image, "--format", "{{json .Labels}}"))
    assert labels["org.opencontainers.image.version"] == image.version()
    assert re.fullmatch(r"[0-9a-f]{40}\+?", labels["org.opencontainers.image.revision"])
    assert labels["unroll.models"] == "baked"


def test_the_serving_image_holds_no_compiler_no_headers_no_training_and_nothing_its_user_could_change(
    machine: Machine, serve_image: str
) -> None:
    unwanted = (
        "*/tensorflow/include",
        "*/bento/src/training",
        "*/loadtests",
        "*/.git",
        "*/.ssh",
        "*/.netrc",
        "*/pip.conf",
        "*/.pypirc",
        "*/.aws",
    )
    paths = " -o ".join(f"-path '{pattern}'" for pattern in unwanted)
    look = f"command -v gcc cc clang ld strip uv git curl; find / -xdev \\( {paths} \\); find /app /home -writable -not -type l"
    found = machine.podman("run", "--rm", "--cap-drop", "all", "--entrypoint", "sh", serve_image, "-c", f"{look}; true")
    assert found == ""


def test_the_list_of_contents_names_every_package_that_is_in_the_image(machine: Machine, serve_image: str) -> None:
    document = json.loads((ROOT / "dist" / f"{serve_image.replace(':', '-')}.cdx.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {part["purl"] for part in document["components"]}
    for line in image.packages("serve", "cpu").split():
        name, _, pinned = line.partition("==")
        assert f"pkg:pypi/{name}@{pinned}" in listed
    installed = machine.podman("run", "--rm", "--entrypoint", "dpkg-query", serve_image, "-W", "-f", "${Package} ${Version}\n")
    debian = [part for part in document["components"] if part["purl"].startswith("pkg:deb/debian/")]
    assert {f"{part['name']} {part['version']}" for part in debian} == set(installed.splitlines())


def test_training_as_a_job_publishes_into_the_store_that_a_container_serves(
    machine: Machine, serve_image: str, train_image: str, tmp_path: Path
) -> None:
    machine.podman("volume", "create", "store")
    volume = ("-v", "store:/store")
    train = ("run", "--rm", *HARDENED, *volume, train_image, "run", "--topology", "one_to_one", "--seed")
    mounted = ("-v", "store:/store:ro", "-e", f"UNROLL_MODELS_DIR={image.MOUNT}")
    machine.podman(*train, "26")
    with container(machine, serve_image, tmp_path / "log", *mounted) as url:
        served = [post(f"{url}/one_to_one", json=REQUEST).json()["version"]]
        machine.podman(*train, "27")
        deadline = time.monotonic() + 60
        while (version := post(f"{url}/one_to_one", json=REQUEST).json()["version"]) == served[0]:
            assert time.monotonic() < deadline, "it did not take the new version up"
        served.append(version)
    root = Path(machine.podman("volume", "inspect", "store", "--format", "{{.Mountpoint}}"))
    store = ModelStore(root / "models")
    assert served == store.versions("one_to_one")  # the container took the second up while it ran
    published = [store.verify("one_to_one", version) for version in served]
    assert [(manifest.seed, manifest.commit) for manifest in published] == [(seed, image.commit()) for seed in (26, 27)]
    assert {path.stat().st_uid for path in root.rglob("*")} == {1034}


def test_a_bento_for_a_gpu_lists_what_a_gpu_needs_and_one_for_a_mounted_store_has_no_models(home: Path) -> None:
    with environment(home), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        tag = image.build_bento("gpu", "python:3.11-slim", "mounted")
    bento = home / "bentos" / tag.replace(":", "/")
    listed = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("tensorflow==") for line in listed)
    assert sum(line.startswith("nvidia-") and line.partition("==")[0].endswith("-cu12") for line in listed) >= 10
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "FROM python:3.11-slim" in dockerfile
    assert "apt-get" not in dockerfile  # no compilers
    assert yaml.safe_load((bento / "bento.yaml").read_text())["services"][0]["models"] == []


def test_the_cpu_variant_differs_in_its_tensorflow_only() -> None:
    for kind in ("serve", "run"):
        cpu, gpu = (set(image.packages(kind, variant).split()) for variant in ("cpu", "gpu"))
        pinned = next(line for line in gpu if line.startswith("tensorflow=="))
        assert cpu - gpu == {pinned.replace("tensorflow==", "tensorflow-cpu==")}
        assert {line for line in gpu - cpu if not line.startswith("nvidia-")} == {pinned}


def test_no_models_to_bake_in_is_an_error_that_says_what_to_type(tmp_path: Path) -> None:
    with environment(tmp_path), pytest.raises(image.ImageError, match="make train, or MODELS=mounted"):
        image.build_bento("cpu", "python:3.11-slim", "baked")


def test_a_tool_that_does_not_answer_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "docker"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(image.ImageError, match="expected docker, podman, buildah to answer `info`; none did"):
        image.working_tool(None)
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "podman").chmod(0o755)
    assert image.working_tool(None) == "podman"


def test_the_command_says_in_one_line_why_it_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "deploy.image", "train"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("deploy.image: expected docker, podman, buildah")


def size(machine: Machine, name: str) -> int:
    return int(machine.podman("image", "inspect", name, "--format", "{{.Size}}"))
