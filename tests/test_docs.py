"""A setting, route, error or make target without its line in the docs fails here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from service import errors
from service.protocols.admin import Admin
from service.protocols.models import ModelPages
from service.protocols.native import Native
from service.settings import Settings
from service.telemetry import metrics
from training.commands import store
from training.commands.main import cli

ROOT = Path(__file__).parents[1]
DOCS = {path.name: path.read_text() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


def kinds(root: type[errors.UnrollError] = errors.UnrollError) -> Iterator[type[errors.UnrollError]]:
    yield root
    for child in root.__subclasses__():
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
    documented = set(re.findall(r"`UNROLL_([A-Z_]+)`", "".join(DOCS.values())))
    assert documented - {"KEY"} == {name.upper() for name in Settings.model_fields}  # that one is for clients


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.slug)
def test_every_error_is_documented_with_its_status(kind: type[errors.UnrollError]) -> None:
    assert f"| `urn:unroll:error:{kind.slug}` | {kind.status} |" in DOCS["protocols.md"]


def test_every_metric_is_documented_with_its_labels() -> None:
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    assert len(declared) > 5
    for metric in declared:
        name = metric._name + ("_total" if isinstance(metric, Counter) else "")
        assert f"| `{name}` | {', '.join(metric._labelnames)} |" in DOCS["operations.md"]


def test_every_route_is_documented() -> None:
    natives, pages, admins = Native.__new__(Native), ModelPages.__new__(ModelPages), Admin.__new__(Admin)
    for route in (*natives.routes, *pages.routes, *admins.routes):
        assert f"| `{route.method} {route.path}` |" in DOCS["protocols.md"]


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
    assert re.search(rf"^\| `{command.name}[ `]", DOCS["operations.md"], re.MULTILINE)
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    shown = re.findall(rf"(?:\| `|-m training ){command.name} ([^`\n]*)", DOCS["operations.md"])
    assert {option for line in shown for option in re.findall(r"--[a-z-]+", line)} <= options


@pytest.mark.parametrize("name", DOCS)
def test_every_link_and_path_leads_somewhere(name: str) -> None:
    folder = ROOT if name == "README.md" else ROOT / "docs"
    for link in re.findall(r"\]\((?!http)([^)#]+)", DOCS[name]):
        assert (folder / link).exists(), link
    for path in re.findall(r"`((?:contract|training|service|loadtests|tests|benchmarks)/[\w/.]*)`", DOCS[name]):
        assert (ROOT / path).exists(), path
