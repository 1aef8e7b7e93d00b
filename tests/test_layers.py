"""Who may import whom, proven from the imports themselves (see docs/architecture.md)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("contract", "training", "service", "loadtests")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
OTHERS = sorted(path for folder in ("benchmarks", "tests") for path in (ROOT / folder).rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

# What may import what, by prefix, longest first. Anything outside the four packages is not looked at here.
MAY_IMPORT = {
    "contract.topologies": set(),
    "contract.manifest": {"contract.topologies"},
    "contract.aliases": set(),
    "contract.translation": {"contract.topologies"},
    "contract.files": set(),
    "contract.store": {"contract.aliases", "contract.files", "contract.manifest", "contract.topologies"},
    "service.errors": set(),
    "service.settings": set(),
    "service.schemas": {"contract"},
    "service.caller": {"service.tracing"},
    "service.metrics": set(),
    "service.tracing": set(),
    "service.observing": {"service.rates", "service.tracing"},
    "service.logs": {"service.observing"},
    "service.draining": {"service.metrics", "service.routes"},
    "service.supervisor": set(),
    "service.tallies": {"service.metrics"},
    "service.vitals": {"service.admission", "service.metrics", "service.tallies"},
    "service.admission": {"service.errors"},
    "service.runtime": {"contract", "service.errors", "service.runtime"},
    "service.batching": {
        "contract",
        "service.caller",
        "service.errors",
        "service.metrics",
        "service.runtime",
        "service.switching",
        "service.tallies",
        "service.tracing",
    },
    "service.switching": set(),
    "service.trials": {"contract", "service.caller", "service.metrics", "service.runtime"},
    "service.served": {"contract", "service.runtime", "service.trials"},
    "service.registry": {
        "contract",
        "service.checks",
        "service.errors",
        "service.metrics",
        "service.runtime",
        "service.served",
        "service.trials",
    },
    "service.comparing": {"contract", "service.batching", "service.runtime", "service.tallies", "service.trials"},
    "service.engine": {
        "contract",
        "service.batching",
        "service.caller",
        "service.comparing",
        "service.errors",
        "service.runtime",
        "service.served",
        "service.switching",
        "service.trials",
    },
    "service.headers": {"service.errors"},
    "service.keys": set(),
    "service.checks": {"contract", "service.runtime"},
    "service.rates": {"service.keys"},
    "service.rereading": {"service.metrics"},
    "service.guard": {"service.errors", "service.keys", "service.rates", "service.rereading"},
    "service.browsers": set(),
    "service.tls": {"service.rereading"},
    "service.connections": {
        "service.direct",
        "service.errors",
        "service.guard",
        "service.headers",
        "service.metrics",
        "service.refusing",
        "service.routes",
        "service.shedding",
        "service.too_many",
        "service.unread",
        "service.upgrades",
        "service.writing",
    },
    "service.unread": {"service.metrics"},
    "service.writing": {"service.routes"},
    "service.direct": {"service.routes", "service.writing"},
    "service.exchange": {"service.routes"},
    "service.too_many": {"service.errors", "service.guard", "service.metrics", "service.routes"},
    "service.pipelining": set(),
    "service.open_files": set(),
    "service.idling": {"service.pipelining"},
    "service.refusing": {"service.idling", "service.routes", "service.shedding"},
    "service.accepting": set(),
    "service.listening": {"service.accepting", "service.connections", "service.tls"},
    "service.routes": {"service.caller", "service.errors", "service.keys", "service.metrics"},
    "service.shedding": {
        "service.admission",
        "service.errors",
        "service.guard",
        "service.headers",
        "service.metrics",
        "service.observing",
        "service.rates",
        "service.routes",
        "service.writing",
    },
    "service.transport": {
        "service.admission",
        "service.caller",
        "service.direct",
        "service.errors",
        "service.exchange",
        "service.guard",
        "service.headers",
        "service.metrics",
        "service.observing",
        "service.routes",
        "service.scheduling",
        "service.shedding",
        "service.tallies",
        "service.tracing",
    },
    "service.protocols": {
        "contract",
        "service.caller",
        "service.engine",
        "service.errors",
        "service.guard",
        "service.protocols",
        "service.registry",
        "service.routes",
        "service.runtime",
        "service.schemas",
        "service.served",
        "service.tallies",
        "service.trials",
        "service.workers",
    },
    "service.app": {"contract", "service"},
    "service": set(),
    "training.scaling": {"contract"},
    "training.dataset": {"contract"},
    "training.dataset_layout": {"training.dataset"},
    "training.dataset_runs": {"contract"},
    "training.dataset_split": {"contract"},
    "training.dataset_cells": {"contract", "training.dataset", "training.dataset_layout"},
    "training.dataset_read": {
        "contract",
        "training.dataset",
        "training.dataset_cells",
        "training.dataset_layout",
        "training.dataset_runs",
    },
    "training.dataset_check": {
        "contract",
        "training.dataset",
        "training.dataset_cells",
        "training.dataset_read",
        "training.dataset_split",
    },
    "training.recipes": {"contract", "training.dataset", "training.scaling"},
    "training.data": {"contract"},
    "training.models": {"contract", "training.scaling", "training.translation"},
    "training.translation": {"contract", "training.scaling"},
    "training.console_data": {"training.console", "training.dataset", "training.dataset_check"},
    "training.environment": set(),
    "training.number_range": set(),
    "training.cli_data": {"training.console_data", "training.dataset", "training.dataset_check", "training.number_range"},
    "training.run_plan": {"contract", "training.dataset", "training.recipes"},
    "training.runs": {"contract", "training.dataset", "training.run_plan"},
    "training.checkpoints": {"contract"},
    "training.options": {
        "contract",
        "training.cli_data",
        "training.dataset",
        "training.environment",
        "training.number_range",
        "training.recipes",
        "training.runs",
    },
    "training.listing": {"contract"},
    "training.wait": set(),
    "training.cli_store": {
        "contract",
        "training.environment",
        "training.listing",
        "training.number_range",
        "training.options",
        "training.wait",
    },
    "training.console": {"contract", "training.recipes", "training.runs"},
    "training.show_runs": {"contract", "training.console", "training.runs"},
    "training.fit": {
        "contract",
        "training.data",
        "training.dataset",
        "training.models",
        "training.recipes",
        "training.scaling",
    },
    "training.interrupts": set(),
    "training.gate": {"contract", "training.data", "training.interrupts", "training.recipes"},
    "training.publish": {"contract", "training.data", "training.environment", "training.recipes"},
    "training.job": {"contract", "training"},
    "training.cli_runs": {
        "contract",
        "training.console",
        "training.job",
        "training.options",
        "training.recipes",
        "training.run_plan",
        "training.runs",
        "training.show_runs",
    },
    "training.cli": {
        "training.cli_store",
        "contract",
        "training.cli_data",
        "training.cli_runs",
        "training.job",
        "training.options",
        "training.recipes",
    },
    "training": {"training.cli"},
    "loadtests": {"contract", "loadtests"},
    "contract": set(),
}
ONLY_IN = {
    "tensorflow": {"training.models", "training.fit", "training.gate", "service.runtime.tensorflow_runtime"},
    "keras": {"training.models", "training.fit", "training.gate", "training.job"},
    "onnx": {"training.translation"},
    "onnxruntime": {"training.gate", "service.runtime.onnx_graph"},
    "pyarrow": {"training.dataset_cells", "training.dataset_read", "training.dataset_runs"},
    "bentoml": {"training.publish", "service.app", "service.supervisor"},
    "os.environ": {"service.settings", "training.environment"},
}


def imports(module: str) -> Iterator[str]:
    """Every module that a module imports, those inside functions included."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    rule = max((prefix for prefix in MAY_IMPORT if below(module, prefix)), key=len)
    for imported in imports(module):
        if imported.split(".")[0] in PACKAGES:
            allowed = any(below(imported, prefix) for prefix in MAY_IMPORT[rule])
            assert allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("library", ["tensorflow", "keras", "onnx", "onnxruntime", "bentoml", "pyarrow"])
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    rooms = {module for module in MODULES if any(below(imported, library) for imported in imports(module))}
    assert rooms == ONLY_IN[library]


def test_the_environment_is_read_in_one_place_of_each_package() -> None:
    reads = re.compile(r"environ(?!ment)|getenv")  # however it was imported
    readers = {module for module, path in MODULES.items() if reads.search(path.read_text()) and not below(module, "loadtests")}
    assert readers == ONLY_IN["os.environ"]


def test_no_import_is_circular() -> None:
    edges = {module: {i for i in imports(module) if i in MODULES and i != module} for module in MODULES}
    while leaves := {module for module, targets in edges.items() if not targets}:
        edges = {module: targets - leaves for module, targets in edges.items() if module not in leaves}
    assert edges == {}


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
