"""The document knows every error, and all that an error may add."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from service import errors
from service.errors import UnrollError
from service.protocols.openapi.operations import OPERATIONS
from service.protocols.openapi.problems import HEADERS, KINDS, MEMBERS, kinds_of, members_of, problem_schema
from tests.conftest import ROOT
from tests.test_docs import kinds

ADDED = "headers"


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Every place of the service that makes an error, with the name of its class."""
    names = {kind.__name__ for kind in kinds()}
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node.func.id, node


def test_every_error_is_in_the_table() -> None:
    assert set(KINDS) == set(kinds())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_error_is_documented_at_a_route_with_its_type_and_status(kind: type[UnrollError]) -> None:
    assert any(kind in kinds_of(operation, keys=True).get(kind.status, []) for operation in OPERATIONS)
    schema = problem_schema(kind.status)
    assert f"urn:unroll:error:{kind.slug}" in schema["properties"]["type"]["enum"]
    assert schema["properties"]["status"] == {"type": "integer", "const": kind.status}


def test_every_member_and_header_that_an_error_is_given_is_documented() -> None:
    given: dict[str, set[str]] = {}
    headers: dict[str, set[Any]] = {}
    for name, call in raised():
        given.setdefault(name, set()).update(word.arg for word in call.keywords if word.arg and word.arg != ADDED)
        for word in call.keywords:
            if word.arg == ADDED and isinstance(word.value, ast.Dict):
                headers.setdefault(name, set()).update(key.value for key in word.value.keys if isinstance(key, ast.Constant))
    assert len(given) > 15
    for name, members in given.items():
        assert members <= set(KINDS[getattr(errors, name)].members), name
    for name, sent in headers.items():
        assert sent <= set(KINDS[getattr(errors, name)].headers), name
    assert {member for kind in KINDS for member in members_of(kind)} == set(MEMBERS)
    assert {header for kind in KINDS.values() for header in kind.headers} <= set(HEADERS)
