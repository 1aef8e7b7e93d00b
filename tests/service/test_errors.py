import json
from collections.abc import Iterator

import pytest

from service import errors
from service.protocols.problem import render_error


def tree(root: type[errors.UnrollError]) -> Iterator[type[errors.UnrollError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ != errors.__name__:  # a client's own
            continue
        yield from tree(child)


ALL = list(tree(errors.UnrollError))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_drawn_in_the_tree_with_its_status_and_slug(kind: type[errors.UnrollError]) -> None:
    drawn = [line.lstrip("├└─│ ").split() for line in (errors.__doc__ or "").splitlines()]
    assert any(words[:3] == [kind.__name__, str(kind.status), kind.slug] for words in drawn)


def test_slugs_are_unique() -> None:
    assert len({kind.slug for kind in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_renders_as_a_problem(kind: type[errors.UnrollError]) -> None:
    answer = render_error(kind("expected this; received that.", headers={"allow": "POST"}, expected="this"))
    problem = json.loads(answer.body)
    assert answer.content_type == b"application/problem+json"
    assert answer.status == problem["status"] == kind.status
    assert problem["type"] == f"urn:unroll:error:{kind.slug}"
    assert problem["title"] == kind.title
    assert (problem["detail"], problem["expected"]) == ("expected this; received that.", "this")
    assert answer.headers == ((b"allow", b"POST"),)
