"""Builds an image with docker, podman or buildah. Its list of contents (SBOM) goes to dist/.

    python -m deploy.image serve [--variant tensorflow|gpu] [--models mounted] [--tool podman] [--base python:3.13-slim]
    python -m deploy.image train [--variant gpu]

`serve` runs `bentoml build` and `bentoml containerize`. deploy/serve.Dockerfile then leaves out files that only building needs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from contract.hints import typed
from training.environment import checkout_commit

ROOT: Final = Path(__file__).parent.parent
HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = ROOT / "requirements"
TOOLS: Final = ("docker", "podman", "buildah")
VARIANTS: Final = {"serve": ("cpu", "tensorflow", "gpu"), "train": ("cpu", "gpu")}
MOUNT: Final = "/store/models"
"""The store of an image without models. The training image publishes into /store."""
BAKED: Final = "/home/bentoml/bento/models"
BASE: Final = "python:3.13-slim"
BENTO_IMAGE: Final = "localhost/unroll-bento"
UV_IMAGE: Final = "localhost/unroll-uv"


class ImageError(Exception):
    """No image can be built. The message says why, and what to type."""


def working_tool(wanted: str | None) -> str:
    """`wanted`, or the first tool that answers `info`: docker does not without its daemon. Raises ImageError."""
    for tool in (wanted,) if wanted else TOOLS:
        answers = shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True, check=False).returncode == 0
        if answers:
            return tool
    raise ImageError(f"expected {wanted or ', '.join(TOOLS)} to answer `info`; none did. Install one: apt-get install podman")


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def pins(kind: str, variant: str) -> Path:
    """The packages that an image installs, each with its hashes."""
    name = {"serve": "serve", "train": "run"}[kind]
    return REQUIREMENTS / f"{name}.txt" if variant == "cpu" else REQUIREMENTS / f"{name}-{variant}.txt"


def bentofile(variant: str, base: str) -> str:
    """bentofile.yaml with this image's base and pins."""
    options = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    options["docker"] = {"base_image": base}
    options["python"]["requirements_txt"] = str(pins("serve", variant).relative_to(ROOT))
    return str(yaml.safe_dump(options, sort_keys=False))


def build_bento(variant: str, base: str, models: str) -> str:
    """The tag of a new bento. Raises ImageError when there are no models to bake in."""
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bentofile.yaml"
        file.write_text(bentofile(variant, base))
        store = Path(folder) / "empty" if models == "mounted" else home / "models"
        command = [bentoml(), "build", "--output", "tag", "-f", str(file), str(ROOT)]
        said = run(command, env={**os.environ, "UNROLL_MODELS_DIR": str(store)}, capture=True)
    tag = said.strip().splitlines()[-1].removeprefix("__tag__:")
    listed = yaml.safe_load((home / "bentos" / tag.replace(":", "/") / "bento.yaml").read_text())
    if models == "baked" and not any(service["models"] for service in listed["services"]):
        raise ImageError(f"expected models to bake in at {store}; it has none. Run {typed('train')}, or pass MODELS=mounted")
    return tag


def build_uv(tool: str, base: str) -> None:
    """UV_IMAGE: the base image, and uv by its hash. It installs the packages of both images."""
    run([tool, "build", "-f", str(HERE / "uv.Dockerfile"), "--build-arg", f"BASE={base}", "-t", UV_IMAGE, str(REQUIREMENTS)])


def build_serve(tool: str, variant: str, base: str, models: str) -> str:
    tag = build_bento(variant, UV_IMAGE, models)
    bento = f"{BENTO_IMAGE}:{tag.partition(':')[2]}"
    run([bentoml(), "containerize", tag, "--backend", tool, "-t", bento])
    arguments = {"BASE": base, "BENTO": bento, "MODELS_DIR": MOUNT if models == "mounted" else BAKED}
    labels = {"unroll.bento": tag, "unroll.models": models}
    with build_context() as context:
        return finish(tool, "serve", "unroll", variant, arguments, labels, context)


def build_train(tool: str, variant: str, base: str) -> str:
    with build_context() as context:
        for package in ("contract", "training"):
            shutil.copytree(ROOT / package, context / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(pins("train", variant), context / "requirements.txt")
        return finish(tool, "train", "unroll-train", variant, {"BASE": base, "UV": UV_IMAGE}, {}, context)


@contextmanager
def build_context() -> Iterator[Path]:
    """A folder with what both Dockerfiles copy. An image can only have files that are copied here."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for file in (HERE / "slim.sh", HERE / "sbom.sh", HERE / "page.cdx.json", REQUIREMENTS / "sbom.txt"):
            shutil.copy(file, context)
        yield context


def finish(
    tool: str, kind: str, name: str, variant: str, arguments: dict[str, str], labels: dict[str, str], context: Path
) -> str:
    """Build deploy/<kind>.Dockerfile and its list of contents. Returns the image's name."""
    image = f"{name}:{version()}{'' if variant == 'cpu' else f'-{variant}'}"
    whole = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.revision": checkout_commit(),
        **labels,
    }
    build = [tool, "build", "-f", str(HERE / f"{kind}.Dockerfile")]
    for key, value in {"VERSION": version(), "COMMIT": checkout_commit(), **arguments}.items():
        build += ["--build-arg", f"{key}={value}"]
    label = [part for key, value in whole.items() for part in ("--label", f"{key}={value}")]
    run([*build, *label, "-t", image, str(context)])
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run([*build, "--target", "inventory", "--output", f"type=local,dest={folder}", str(context)])
        shutil.copy(Path(folder) / "sbom.cdx.json", dist / f"{image.replace(':', '-')}.cdx.json")
    return image


def bentoml() -> str:
    return str(Path(sys.executable).with_name("bentoml"))


def run(command: list[str], env: dict[str, str] | None = None, capture: bool = False) -> str:
    """Raises ImageError when the command fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE if capture else None, text=True, check=False)
    if done.returncode:
        raise ImageError(f"{' '.join(command[:3])} ... ended with {done.returncode}")
    return done.stdout or ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=tuple(VARIANTS))
    parser.add_argument("--tool", choices=TOOLS, help="default: the first one that works")
    parser.add_argument("--variant", default="cpu", help="serve: cpu, tensorflow or gpu; train: cpu or gpu")
    parser.add_argument(
        "--models", choices=("baked", "mounted"), default="baked", help="serve: models in the image, or in a mounted store"
    )
    parser.add_argument("--base", default=BASE, help="the image to build on")
    given = parser.parse_args()
    if given.variant not in (variants := VARIANTS[given.kind]):
        parser.error(f"argument --variant: expected one of {', '.join(variants)} for {given.kind}; received {given.variant}")
    try:
        tool = working_tool(given.tool)
        serve = given.kind == "serve"
        build_uv(tool, given.base)
        image = (
            build_serve(tool, given.variant, given.base, given.models)
            if serve
            else build_train(tool, given.variant, given.base)
        )
    except ImageError as error:
        print(f"deploy.image: {error}", file=sys.stderr)
        return 1
    print(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
