"""The check finds every kind of wrong answer, and describes it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contract.rows import Rows
from loadtests.answers import Wrong, check
from loadtests.payloads import Payload

ROWS = [[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]]
PAYLOAD = Payload("many_to_many", "ragged", "", Rows.of(ROWS), [3, 1, 2])


def body(**changes: Any) -> bytes:
    right = {"topology": "many_to_many", "version": "1", "sequences": ROWS, "in_domain": [True] * 3}
    return json.dumps(right | changes).encode()


def test_right() -> None:
    assert check(body(), PAYLOAD) is None


@pytest.mark.parametrize("off", [0.049, -0.049])
def test_right_within_the_tolerance(off: float) -> None:
    assert check(body(sequences=[[0.1 + off, 0.2, 0.3], [0.4], [0.5, 0.6 + off]]), PAYLOAD) is None


OFF = "values differ by more than 0.05"


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (b"<html>", ("not an answer", "invalid JSON")),
        (b'{"sequences": [[0.1]]}', ("not an answer", "topology: Field required")),
        (body(sequences=[[0.1, None, 0.3], [0.4], [0.5, 0.6]]), ("not an answer", "sequences.0.1")),
        (body(topology="one_to_one"), ("another topology", "expected many_to_many, got one_to_one")),
        (body(sequences=ROWS[:2]), ("another number of rows", "expected 3, got 2")),
        (body(sequences=[ROWS[0], [], ROWS[2]]), ("a row of another length", "row 1: expected 1 items, got 0")),
        (body(sequences=[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), ("a row of another length", "row 0: expected 3")),
        (body(in_domain=[True, True]), ("in_domain is not true for every row", "[True, True]")),
        (body(in_domain=[True, False, True]), ("in_domain is not true for every row", "False")),
        (body(sequences=[ROWS[0], [0.46], ROWS[2]]), (OFF, "row 1, item 0: expected 0.4000, got 0.4600; 1 of 6 items")),
        (body(sequences=[ROWS[0], ROWS[1], [0.5, 0.5]]), (OFF, "row 2, item 1: expected 0.6000, got 0.5000")),
        (body(sequences=[[float("nan"), 0.2, 0.3], [0.4], [0.5, 0.6]]), (OFF, "row 0, item 0: expected 0.1000, got nan")),
        (body(sequences=[[0.4, 0.5, 0.6], [0.1], [0.2, 0.3]]), (OFF, "row 0, item 0")),  # another client's rows
    ],
)
def test_wrong(answer: bytes, wrong: tuple[str, str]) -> None:
    found = check(answer, PAYLOAD)
    assert isinstance(found, Wrong)
    assert found.reason == wrong[0]
    assert wrong[1].lower() in found.detail.lower()


def test_the_reason_does_not_depend_on_the_values() -> None:
    shift: Callable[[float], bytes] = lambda by: body(sequences=[[item + by for item in row] for row in ROWS])  # noqa: E731
    reasons = {found.reason for by in (0.1, 0.2, -0.3) if (found := check(shift(by), PAYLOAD))}
    assert len(reasons) == 1
