"""Builds the images and runs containers: podman over runc, with a stand-in for the base image."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES
from deploy import image
from tests.asking import get, post
from tests.conftest import ROOT, environment
from tests.deploy.images.conftest import HARDENED, REQUEST, container
from tests.deploy.machine import Machine
from tests.e2e.conftest import serving
from training.environment import checkout_commit

MB = 1e6
NOTHING = """
import bentoml

@bentoml.service(workers=1)
class Nothing:
    @bentoml.api
    def nothing(self) -> str:
        return ""
"""


def test_a_hardened_container_answers_like_a_local_service(
    machine: Machine, serve_image: str, home: Path, tmp_path: Path
) -> None:
    with container(machine, serve_image, tmp_path / "log") as there:
        assert resident(there) <= 145 * MB
        with serving(home) as here:
            for topology in TOPOLOGY_NAMES:
                expected, answer = (post(f"{at}/{topology}", json=REQUEST) for at in (here, there))
                assert expected.status_code == answer.status_code == 200
                (row,), (expected_row,) = answer.json()["sequences"], expected.json()["sequences"]
                assert row == pytest.approx(expected_row, abs=1e-6)
                assert row == pytest.approx(REQUEST["sequences"][0], abs=0.05)
        assert get(f"{there}/models").json()["refused"] == []
        assert post(f"{there}/one_to_one", json={**REQUEST, "model_version": "production"}).status_code == 200
        assert f'commit="{checkout_commit()}",version="{image.version()}"' in get(f"{there}/metrics").text


def test_a_container_starts_at_most_a_second_later_than_an_empty_service(
    machine: Machine, serve_image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    (folder / "service.py").write_text(NOTHING)
    mounted = ("-v", f"{folder}:/nothing:ro", "-w", "/nothing")
    ours, nothing = [], []
    for _ in range(5):  # in turns, since the machine has other work
        begun = time.monotonic()
        with container(machine, serve_image, tmp_path / "log") as url:
            ours.append(time.monotonic() - begun)
            memory = resident(url)
        begun = time.monotonic()
        serve = ("bentoml", "serve", "service:Nothing", "--host", "127.0.0.1")
        with container(machine, serve_image, tmp_path / "log", *mounted, command=serve):
            nothing.append(time.monotonic() - begun)
    with capsys.disabled():
        megabytes = f"{size(machine, serve_image) / MB:.0f} MB, a worker {memory / MB:.0f} MB"
        print(f"\n{serve_image}: {megabytes}, ready after {min(ours):.1f} s; nothing: {min(nothing):.1f} s", file=sys.stderr)
    assert min(ours) <= min(nothing) + 1


def test_the_serving_image_is_small_and_does_not_run_as_root(machine: Machine, serve_image: str) -> None:
    assert size(machine, serve_image) < 550 * MB
    assert machine.podman("image", "inspect", serve_image, "--format", "{{.Config.User}}") == "1034:1034"
    labels = json.loads(machine.podman("image", "inspect", serve_image, "--format", "{{json .Labels}}"))
    assert labels["org.opencontainers.image.version"] == image.version()
    assert re.fullmatch(r"[0-9a-f]{40}\+?", labels["org.opencontainers.image.revision"])
    assert labels["unroll.models"] == "baked"


def test_the_serving_image_has_no_compiler_tensorflow_or_training_and_no_writable_file(
    machine: Machine, serve_image: str
) -> None:
    unwanted = (
        "*/site-packages/tensorflow*",
        "*/site-packages/keras*",
        "*/site-packages/onnx",
        "*/site-packages/onnx-*",
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


def test_the_list_of_contents_names_every_package_of_the_image(machine: Machine, serve_image: str) -> None:
    document = json.loads((ROOT / "dist" / f"{serve_image.replace(':', '-')}.cdx.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.7")
    parts = [part for part in document["components"] if "purl" in part]  # all but Debian and unroll themselves
    listed = {part["purl"] for part in parts}
    python = {f"pkg:pypi/{line.replace('==', '@')}" for line in pinned("serve", "cpu")}
    assert {purl for purl in listed if purl.startswith("pkg:pypi/")} == python  # nothing that has no hash
    (script,) = (ROOT / "service" / "page" / "assets").glob("uPlot-*.js")
    drawn_by = script.name.removeprefix("uPlot-").removesuffix(".min.js")
    assert {purl for purl in listed if purl.startswith("pkg:npm/")} == {f"pkg:npm/uplot@{drawn_by}"}
    installed = machine.podman("run", "--rm", "--entrypoint", "dpkg-query", serve_image, "-W", "-f", "${Package} ${Version}\n")
    debian = [part for part in parts if part["purl"].startswith("pkg:deb/debian/") and "arch=source" not in part["purl"]]
    assert {f"{part['name']} {part['version']}" for part in debian} == set(installed.splitlines())


def test_a_training_job_publishes_into_the_store_of_a_serving_container(
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
            assert time.monotonic() < deadline, "the container did not load the new version"
        served.append(version)
    root = Path(machine.podman("volume", "inspect", "store", "--format", "{{.Mountpoint}}"))
    store = ModelStore(root / "models")
    assert served == store.versions("one_to_one")  # the running container loaded the second one
    published = [store.verify("one_to_one", version) for version in served]
    assert [(manifest.seed, manifest.commit) for manifest in published] == [(seed, checkout_commit()) for seed in (26, 27)]
    assert {path.stat().st_uid for path in root.rglob("*")} == {1034}


def test_a_gpu_bento_has_the_gpu_pins_and_a_mounted_store_means_no_models(home: Path) -> None:
    with environment(home), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        tag = image.build_bento("gpu", image.BASE, "mounted")
    bento = home / "bentos" / tag.replace(":", "/")
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert in_lines(requirements) == pinned("serve", "gpu")
    assert requirements.count("--hash=") == image.pins("serve", "gpu").read_text().count("--hash=") > 1000
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert f"FROM {image.BASE}" in dockerfile
    assert "apt-get" not in dockerfile  # no compilers
    assert yaml.safe_load((bento / "bento.yaml").read_text())["services"][0]["models"] == []


def test_only_the_tensorflow_variant_of_the_serving_image_has_tensorflow() -> None:
    cpu, tensorflow, gpu = (pinned("serve", variant) for variant in image.VARIANTS["serve"])
    assert cpu < tensorflow
    assert "tensorflow-cpu" in names(tensorflow - cpu)
    assert not names(cpu | gpu) & {"tensorflow", "tensorflow-cpu", "keras", "onnx"}


def test_a_gpu_variant_replaces_the_engine_and_adds_nvidias_libraries() -> None:
    for kind, engine, other in (("serve", "onnxruntime-gpu", "onnxruntime"), ("train", "tensorflow", "tensorflow-cpu")):
        cpu, gpu = pinned(kind, "cpu"), pinned(kind, "gpu")
        assert names(cpu - gpu) == {other}
        added = names(gpu - cpu)
        assert engine in added
        assert len(added) >= 8
        assert all(name.startswith("nvidia-") for name in added - {engine})


def test_images_and_tests_have_the_same_pins() -> None:
    tested = in_lines((ROOT / "requirements" / "dev.txt").read_text())
    for kind, variant in (("serve", "cpu"), ("serve", "tensorflow"), ("train", "cpu")):
        assert pinned(kind, variant) <= tested


def test_an_empty_store_is_an_error_that_says_what_to_type(tmp_path: Path) -> None:
    with environment(tmp_path), pytest.raises(image.ImageError, match="train, or pass MODELS=mounted"):
        image.build_bento("cpu", image.BASE, "baked")


def test_no_working_tool_is_an_error_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "docker"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(image.ImageError, match="expected docker, podman, buildah to answer `info`; none did"):
        image.working_tool(None)
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "podman").chmod(0o755)
    assert image.working_tool(None) == "podman"


def test_a_failed_command_prints_its_reason_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "deploy.image", "train"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("deploy.image: expected docker, podman, buildah")


@pytest.mark.parametrize(("kind", "variant"), [("train", "tensorflow"), ("serve", "tpu")])
def test_an_unknown_variant_is_an_error_that_names_the_known_ones(kind: str, variant: str) -> None:
    command = [sys.executable, "-m", "deploy.image", kind, "--variant", variant]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"expected one of {', '.join(image.VARIANTS[kind])} for {kind}; received {variant}" in ended.stderr


def pinned(kind: str, variant: str) -> set[str]:
    return in_lines(image.pins(kind, variant).read_text())


def in_lines(requirements: str) -> set[str]:
    """What is pinned for the images' platform: `name==version`."""
    pins = [Requirement(line.strip(" \\")) for line in requirements.splitlines() if "==" in line]
    return {f"{pin.name}{pin.specifier}" for pin in pins if pin.marker is None or pin.marker.evaluate()}


def names(lines: set[str]) -> set[str]:
    return {line.partition("==")[0] for line in lines}


def resident(url: str) -> float:
    """Resident bytes of the service's only worker."""
    (line,) = re.findall(r"^unroll_resident_bytes (.*)$", get(f"{url}/metrics").text, re.MULTILINE)
    return float(line)


def size(machine: Machine, name: str) -> int:
    return int(machine.podman("image", "inspect", name, "--format", "{{.Size}}"))
