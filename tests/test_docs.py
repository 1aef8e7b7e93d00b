"""A setting, route, error, metric, room or make target without its line in the docs fails here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from service import errors
from service.protocols.openapi.operations import OPERATIONS
from service.settings import Settings
from service.telemetry import metrics
from tests.test_layers import MAY_IMPORT, PACKAGES, SHARED
from training.commands import store
from training.commands.main import cli

ROOT = Path(__file__).parents[1]
FRONT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
DOCS = PAGES | {name: (ROOT / name).read_text() for name in FRONT}
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


def kinds(root: type[errors.UnrollError] = errors.UnrollError) -> Iterator[type[errors.UnrollError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ != errors.__name__:  # a client's own
            continue
        yield from kinds(child)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default_and_its_sentence(name: str) -> None:
    field = Settings.model_fields[name]
    (line,) = [line for line in DOCS["configuration.md"].splitlines() if f"`UNROLL_{name.upper()}`" in line]
    if field.default_factory is None:
        assert f"`{field.default}`" in line
        assert field.description
        assert field.description in line


def test_every_documented_setting_exists() -> None:
    documented = set(re.findall(r"`UNROLL_([A-Z_]+)`", "".join([*PAGES.values(), DOCS["README.md"]])))
    assert documented - {"KEY"} == {name.upper() for name in Settings.model_fields}  # UNROLL_KEY is for clients


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.slug)
def test_every_error_is_documented_with_its_status(kind: type[errors.UnrollError]) -> None:
    assert f"| `urn:unroll:error:{kind.slug}` | {kind.status} |" in DOCS["protocols.md"]


def test_every_metric_is_documented_with_its_labels() -> None:
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    assert len(declared) > 5
    for metric in declared:
        name = metric._name + ("_total" if isinstance(metric, Counter) else "")
        assert f"| `{name}` | {', '.join(metric._labelnames)} |" in DOCS["metrics.md"]


def test_every_route_is_documented() -> None:
    for operation in OPERATIONS:
        line = f"`{operation.path}`" if operation.of_bentoml else f"| `{operation.method} {operation.path}` |"
        assert line in DOCS["protocols.md"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_is_declared_phony(target: str) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target in phony.split()


@pytest.mark.parametrize("name", DOCS)
def test_every_make_target_and_option_that_the_docs_name_exists(name: str) -> None:
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", " ".join(re.findall(r"`[^`]+`", DOCS[name])))) <= set(TARGETS)
    commands = (cli.commands["run"], cli.commands["retrain"])
    options = {option for command in commands for parameter in command.params for option in parameter.opts}
    for command in re.findall(r"(?:training run|ARGS=)([^#\n`]*)", DOCS[name]):
        assert set(re.findall(r"--[a-z-]+", command)) - {"--help"} <= options


@pytest.mark.parametrize("command", store.COMMANDS, ids=lambda command: command.name)
def test_every_command_of_the_store_is_documented(command: Command) -> None:
    assert re.search(rf"^\| `{command.name}[ `]", DOCS["versions.md"], re.MULTILINE)
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    shown = re.findall(rf"(?:\| `|-m training ){command.name} ([^`\n]*)", DOCS["versions.md"])
    assert {option for line in shown for option in re.findall(r"--[a-z-]+", line)} <= options


@pytest.mark.parametrize("name", DOCS)
def test_every_link_and_path_leads_somewhere(name: str) -> None:
    folder = ROOT if name in FRONT else ROOT / "docs"
    for link in re.findall(r"\]\((?!http)([^)]+)\)", DOCS[name]):
        path, _, place = link.partition("#")
        target = folder / path if path else folder / name
        assert target.exists(), link
        assert not place or place in anchors(target.read_text()), link
    for path in re.findall(r"`((?:contract|training|service|loadtests|tests|benchmarks|deploy|docs)/[\w/.-]*)`", DOCS[name]):
        assert (ROOT / path).exists(), path


def anchors(page: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings: list[str] = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCS)
def test_no_line_is_longer_than_160_characters(name: str) -> None:
    assert [line for line in DOCS[name].splitlines() if len(line) > 160] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_first_whom_it_is_for(name: str) -> None:
    title, empty, first = PAGES[name].splitlines()[:3]
    assert title.startswith("# ")
    assert empty == ""
    assert first.startswith("For ")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_linked_from_the_readme(name: str) -> None:
    assert f"](docs/{name})" in DOCS["README.md"]


def test_every_page_that_code_and_deployment_name_exists() -> None:
    sources = [path for package in (*PACKAGES, "deploy", "tests") for path in (ROOT / package).rglob("*") if path.is_file()]
    texts = [path.read_text() for path in [*sources, ROOT / "Makefile"] if path.suffix in {".py", ".yaml", ".json", ""}]
    named = {page for text in texts for page in re.findall(r"\bdocs/([\w-]+\.md)", text)}
    assert {"production.md", "reliability.md"} <= named <= set(PAGES)


def drawn(package: str) -> dict[str, tuple[set[str], set[str]]]:
    """The table of a package in docs/architecture.md: room -> what it may import, its files."""
    _, _, section = DOCS["architecture.md"].partition(f"\n## {package}/\n")
    rooms: dict[str, tuple[set[str], set[str]]] = {}
    for cells in re.findall(r"^\| (.+) \|(.*)\|.*\|(.*)\|$", section.partition("\n## ")[0], re.MULTILINE)[1:]:
        room = cells[0].strip("`/").replace("top level", "")
        may_import, files = ({name.strip() for name in cell.split(",")} - {""} for cell in cells[1:])
        wholes = {package if name == "all" else name if name in PACKAGES else f"{package}.{name}" for name in may_import}
        before = rooms.get(room, (set(), set()))
        rooms[room] = before[0] | wholes, before[1] | files
    return rooms


@pytest.mark.parametrize("package", ["service", "training", "loadtests", "benchmarks", "unroll"])
def test_the_architecture_shows_every_room_with_its_files_and_arrows(package: str) -> None:
    rooms = drawn(package)
    assert {room for room in rooms if room} == {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    for room, (may_import, files) in rooms.items():
        assert files == {path.stem for path in (ROOT / package / room).glob("*.py")} - {"__init__"}, room
        if room or package != "service":  # its top level is files with rules of their own
            assert may_import == set(MAY_IMPORT[f"{package}.{room}".strip(".")]) - set(SHARED), room


def test_the_architecture_names_every_file_of_the_contract() -> None:
    for path in (ROOT / "contract").glob("*.py"):
        assert path.stem == "__init__" or f"| `contract/{path.name}` |" in DOCS["architecture.md"]
