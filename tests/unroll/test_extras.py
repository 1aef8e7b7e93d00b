"""Each extra of the distribution has what its part of the project imports: no more has to be installed for it."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from unroll.commands.main import COMMANDS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORT = """
import importlib, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

refused, modules = (set(text.split(",")) for text in sys.argv[1:])
sys.meta_path.insert(0, Refusing())
for module in modules:
    importlib.import_module(module)
"""


def installed_by(requirements: Iterable[str]) -> set[str]:
    """The names of the distributions that pip would install here for these requirements."""
    names: set[str] = set()
    waiting = [(Requirement(line), frozenset[str]()) for line in requirements]
    seen = set()
    while waiting:
        requirement, extras = waiting.pop()
        if (str(requirement), extras) in seen:
            continue
        seen.add((str(requirement), extras))
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            continue
        names.add(canonicalize_name(requirement.name))
        asked = frozenset(requirement.extras)
        waiting += [(Requirement(line), asked) for line in distribution(requirement.name).requires or ()]
    return names


def commands(extra: str) -> set[str]:
    return {entry.where.partition(":")[0] for entry in COMMANDS.values() if entry.needs == extra}


PARTS = {
    "": {"unroll.commands.main"},
    "client": {"unroll.client"},
    "local": {"unroll.local", *commands("local")},
    "serve": commands("serve"),
    "train": commands("train"),
    "load": commands("load"),
}


@pytest.mark.parametrize("extra", PARTS)
def test_an_extra_has_all_that_its_part_imports(extra: str) -> None:
    installed = installed_by([*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else ())])
    refused = {
        module
        for module, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & (installed | {"unroll"})
    }
    command = [sys.executable, "-c", IMPORT, ",".join(refused), ",".join(PARTS[extra])]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr


def test_neither_a_client_nor_a_local_model_needs_tensorflow_or_bentoml() -> None:
    for extra in ("client", "local"):
        installed = installed_by([*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]])
        assert not installed & {"tensorflow", "tensorflow-cpu", "keras", "bentoml"}
