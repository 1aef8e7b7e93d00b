"""What `unroll doctor` looks at. Each check yields what it found, and says what to type where something is wrong."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from contract.hints import typed
from contract.store import ModelStore
from contract.store_place import is_checkout, store_place
from contract.store_reader import BrokenVersion
from unroll.commands.findings import ROOM, Found, State

ROOT: Final = Path(__file__).parents[2]
OLDEST_PYTHON: Final = (3, 11)
USES: Final = {
    "serve": "unroll serve",
    "train": "unroll train",
    "load": "unroll load",
    "client": "unroll.Client",
    "local": "unroll predict",
}
"""What an extra of the distribution is for."""
SECONDS: Final = 30.0
"""A driver that hangs lets nvidia-smi wait for ever."""
TOOLS: Final = {"wrk": "make bench", "podman": "make image", "helm": "make chart"}


def python() -> Iterator[Found]:
    right = sys.version_info >= OLDEST_PYTHON
    says = f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"
    yield Found("python", "ok" if right else "wrong", says, "" if right else "install Python 3.11 or newer")


def packages() -> Iterator[Found]:
    for extra, use in USES.items():
        lacking = [said for said in map(_lack, _requirements(extra)) if said]
        install = "make setup" if is_checkout(ROOT) else f'pip install ".[{extra}]" in a checkout of unroll'
        state: State = "warn" if lacking else "ok"
        yield Found("packages", state, f"for {use}: {', '.join(lacking) or 'complete'}", install if lacking else "")


def _requirements(extra: str) -> list[Requirement]:
    """What the distribution needs for an extra; of a checkout that is not installed, what its pyproject.toml says."""
    try:
        found = map(Requirement, requires("unroll") or [])
    except PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        stated = [Requirement(each) for each in project["optional-dependencies"][extra]]
        return [each for each in stated if each.marker is None or each.marker.evaluate()]
    return [each for each in found if each.marker is not None and each.marker.evaluate({"extra": extra})]


def _lack(needed: Requirement) -> str:
    try:
        there = version(needed.name)
    except PackageNotFoundError:
        return f"no {needed.name}"
    return "" if needed.specifier.contains(there, prereleases=True) else f"{needed.name} {there} is not {needed.specifier}"


def store() -> Iterator[Found]:
    place = store_place(os.environ, Path.cwd())
    there = next(folder for folder in (place.models, *place.models.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Found("store", "wrong", f"{place}: cannot be written: {error.strerror}", f"let this user write to {there}")
    else:
        free = shutil.disk_usage(there).free
        says = f"{place}, {free / 2**30:.1f} GB free"
        yield Found("store", "ok", says) if free > ROOM else Found("store", "warn", says, "free some disk")


def versions() -> Iterator[Found]:
    models = ModelStore(store_place(os.environ, Path.cwd()).models)
    if not models.names():
        yield Found("versions", "warn", "the store has no model", typed("train"))
        return
    for name in models.names():
        try:
            aliases = models.aliases(name)
        except BrokenVersion as error:
            yield Found("aliases", "wrong", str(error), f"restore {models.root / name / 'aliases.json'}, or delete it")
            aliases = {}
        broken = 0
        for each in (every := models.versions(name)):
            try:
                models.verify(name, each)
            except BrokenVersion as error:
                used = [label for label, alias in aliases.items() if each in alias.named]
                broken += 1
                by = f", which {', '.join(used)} needs," if used else ""
                hint = _mended(models, name, used[0]) if used else typed(f"delete {name}@{each}")
                yield Found("versions", "wrong" if used else "warn", f"{name}@{each}{by} is broken: {error}", hint)
        for label, alias in aliases.items():
            for gone in sorted(alias.named - set(every)):
                yield Found("aliases", "wrong", f"{label} of {name} names {gone}, which is gone", _mended(models, name, label))
        named = ", ".join(f"{label} {alias.version}" for label, alias in aliases.items()) or "no alias"
        if not broken:
            yield Found("versions", "ok", f"{name}: {len(every)} whole; {named}")


def _mended(models: ModelStore, name: str, label: str) -> str:
    """What gives an alias a whole version."""
    there = any(models.is_whole(name, each) for each in models.versions(name))
    return typed(f"promote {name}@latest --alias {label}") if there else f"train {name} again: {typed('train --help')}"


def tools() -> Iterator[Found]:
    if is_checkout(ROOT):
        for tool, use in TOOLS.items():
            path = shutil.which(tool) or next((str(each) for each in (ROOT / ".venv-tools").rglob(tool)), None)
            hint = "" if path else "make tools" if tool == "helm" else f"install it, for {use}"
            yield Found("tools", "ok" if path else "warn", path or f"no {tool}, which `{use}` needs", hint)


def gpu() -> Iterator[Found]:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        yield Found("GPU", "ok", "none: all models run on the processor")
        return
    asked = [smi, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Found("GPU", "warn", f"nvidia-smi fails: {error}", "look at the driver")
        return
    if said.returncode == 0:
        yield Found("GPU", "ok", ", ".join(said.stdout.split("\n")).strip(", "))
    else:
        why = (said.stdout + said.stderr).strip().partition("\n")[0]
        yield Found("GPU", "warn", f"nvidia-smi fails: {why}", "look at the driver")
