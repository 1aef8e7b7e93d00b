"""Who may import whom, proven from the imports themselves. docs/architecture.md draws the same arrows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("contract", "training", "service", "loadtests", "benchmarks", "unroll")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

# What a package, or a room of one, imports beside itself. Longest prefix first.
SHARED = ["service.errors", "service.request_context", "service.token_bucket", "service.telemetry"]  # the floor of service/
MAY_IMPORT = {
    "contract": [],
    "service.app": ["contract", "service"],
    "service.hosting": ["contract", "service.connection", "service.http", *SHARED],
    "service.connection": ["service.http", *SHARED],
    "service.http": ["service.overload", "service.security", *SHARED],
    "service.overload": SHARED,
    "service.security": SHARED,
    "service.page": ["service.http", *SHARED],
    "service.protocols": ["contract", "service.engine", "service.http", "service.security", "service.versions", *SHARED],
    "service.engine": ["contract", "service.runtime", "service.versions", *SHARED],
    "service.versions": ["contract", "service.runtime", *SHARED],
    "service.runtime": ["contract", "service.errors"],
    "service.telemetry": ["service.settings", "service.token_bucket"],
    "service.request_context": ["service.telemetry"],
    "service.settings": ["contract.hints", "contract.store_place"],
    "service": [],
    "training.sequences": ["contract"],
    "training.runs": ["contract", "training.sequences", "training.recipes", "training.plan"],
    "training.scores": ["contract", "training.plan", "training.sequences"],
    "training.gate": [
        *("contract", "training.described", "training.interrupts", "training.networks", "training.plan", "training.scores"),
        "training.sequences",
    ],
    "training.fitting": ["contract", "training.plan", "training.recipes", "training.sequences"],
    "training.console": ["contract", "training.sequences", "training.plan", "training.fitting", "training.runs"],
    "training.commands": ["contract", "training"],
    "training": ["contract", "training"],
    "loadtests": ["contract"],
    "unroll.bulk": ["contract", "service", "training", "unroll"],
    "unroll.commands": ["contract", "loadtests", "service", "training", "unroll"],
    "unroll": ["contract", "service", "training"],
    "benchmarks.peers": [],
    "benchmarks.servers": ["benchmarks.peers", "contract", "loadtests", "training"],
    "benchmarks.engines": ["benchmarks.peers", "benchmarks.servers", "contract", "loadtests", "service", "training"],
    "benchmarks.load": ["benchmarks.servers", "contract", "loadtests"],
    "benchmarks.report": ["benchmarks.engines", "benchmarks.load", "benchmarks.servers"],
    "benchmarks": ["benchmarks", "contract", "loadtests", "service", "training"],
}
ONLY_IN = {  # modules or rooms
    "tensorflow": {
        "training.networks",
        "training.fit",
        "training.fitting",
        "training.gate",
        "service.runtime.tensorflow_runtime",
    },
    "keras": {"training.networks", "training.fit", "training.fitting", "training.gate", "training.job"},
    "onnx": {"training.translation"},
    "onnxruntime": {"training.gate", "service.runtime.onnx_graph"},
    "pyarrow": {"training.sequences", "unroll.bulk"},
    "bentoml": {
        *("training.publish", "service.app"),
        *("service.hosting.seams", "service.hosting.shared_metrics", "service.hosting.supervisor"),
    },
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
def test_imports_follow_the_arrows(module: str) -> None:
    room = max((prefix for prefix in MAY_IMPORT if below(module, prefix)), key=len)
    for imported in imports(module):
        if imported.split(".")[0] in PACKAGES:
            allowed = any(below(imported, prefix) for prefix in [room, *MAY_IMPORT[room]])
            assert allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("library", ["tensorflow", "keras", "onnx", "onnxruntime", "bentoml", "pyarrow"])
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    served = [module for module in MODULES if not below(module, "benchmarks")]
    found = {module for module in served if any(below(imported, library) for imported in imports(module))}
    assert {place for place in ONLY_IN[library] if any(below(module, place) for module in found)} == ONLY_IN[library]
    assert {module for module in found if not any(below(module, place) for place in ONLY_IN[library])} == set()


def test_the_environment_is_read_in_one_place_of_each_package() -> None:
    reads = re.compile(r"environ(?!ment)|getenv")  # however it was imported
    packages = [
        module for module in MODULES if below(module, "service") or below(module, "training") or below(module, "contract")
    ]
    assert {module for module in packages if reads.search(MODULES[module].read_text())} == ONLY_IN["os.environ"]


def test_no_import_is_circular() -> None:
    edges = {module: {i for i in imports(module) if i in MODULES and i != module} for module in MODULES}
    while leaves := {module for module, targets in edges.items() if not targets}:
        edges = {module: targets - leaves for module, targets in edges.items() if module not in leaves}
    assert edges == {}


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_has_more_than_14_modules(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 14
