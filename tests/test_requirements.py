"""requirements/ is what `make lock` writes from pyproject.toml: exact versions, each with the hashes of its files."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from loadtests.processes import ROOT

FOLDER = ROOT / "requirements"
LOCKED = [path for path in sorted(FOLDER.glob("*.txt")) if not path.name.startswith("bench-")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(path: Path) -> dict[str, tuple[Requirement, list[str]]]:
    """By name: the version, and the hashes."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in path.read_text().replace("\\\n", " ").splitlines():
        pin, *hashes = entry.split("--hash=")
        requirement = Requirement(pin)
        found[canonicalize_name(requirement.name)] = requirement, [text.strip() for text in hashes]
    return found


def version(requirement: Requirement) -> str:
    (exact,) = requirement.specifier
    assert exact.operator == "=="
    return exact.version


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_every_package_has_one_version_and_the_hashes_of_its_files(path: Path) -> None:
    for requirement, hashes in pins(path).values():
        assert version(requirement)
        assert requirement.url is None
        assert hashes
        assert all(text.startswith("sha256:") and len(text) == len("sha256:") + 64 for text in hashes), requirement


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_no_file_has_another_version_than_tests_have(path: Path) -> None:
    tested = pins(FOLDER / "dev.txt")
    assert {
        name: version(pin)
        for name, (pin, _) in pins(path).items()
        if name in tested and version(tested[name][0]) != version(pin)
    } == {}


@pytest.mark.parametrize("extra", ["", *PROJECT["project"]["optional-dependencies"]])
def test_every_bound_of_the_project_holds_for_its_pin(extra: str) -> None:
    project, pinned = PROJECT["project"], pins(FOLDER / "dev.txt")
    for line in project["optional-dependencies"][extra] if extra else project["dependencies"]:
        bound = Requirement(line)
        pin, _ = pinned[canonicalize_name(bound.name)]
        assert bound.specifier.contains(version(pin)), f"{pin} is not {bound}: make lock"
