"""The check finds every kind of wrong answer, and describes it."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from loadtests.answers import Checked, check
from loadtests.payloads import Kind, Payload, make_pool
from tests.loadtests.fake_models import BY_NAME, MODELS, answer, under_test

Change = Callable[[dict[str, Any]], Any]


@cache
def pool_of(name: str) -> list[Payload]:
    return make_pool(under_test(name), seed=0, size=100)


def payload_of(name: str, kind: Kind) -> Payload:
    """A ragged one has at least three rows."""
    return next(each for each in pool_of(name) if each.kind == kind and (kind != "ragged" or len(each.lengths) > 2))


def changed(payload: Payload, change: Change) -> Checked:
    """The check of the right answer after a change."""
    right = answer(BY_NAME[payload.model.name], json.loads(payload.body))
    change(right)
    return check(json.dumps(right).encode(), payload)


def put(field: str, value: Any) -> Change:
    return lambda answered: answered.update({field: value})


def swap_rows(field: str) -> Change:
    """Exchange two rows of an answer, with their labels."""

    def swap(answered: dict[str, Any]) -> None:
        for each in (field, "labels"):
            if each in answered:
                answered[each][0], answered[each][1] = answered[each][1], answered[each][0]

    return swap


def number(field: str, value: Any, *place: int) -> Change:
    """Put a value in place of the one at `place`."""

    def at(answered: dict[str, Any]) -> None:
        numbers = answered[field]
        for index in place[:-1]:
            numbers = numbers[index]
        numbers[place[-1]] = value

    return at


@pytest.mark.parametrize("name", BY_NAME)
def test_right_answers_pass(name: str) -> None:
    for payload in pool_of(name):
        assert changed(payload, lambda answered: answered) == Checked(None)


@pytest.mark.parametrize(("off", "right"), [(9.9, True), (-9.9, True), (10.1, False), (-10.1, False)])
def test_an_echo_may_differ_by_a_twentieth_of_each_feature_s_domain(off: float, right: bool) -> None:
    payload = payload_of("waves", "one row")
    value = payload.expected[0, 0] + off  # the domain is 200 wide
    assert (changed(payload, number("sequences", value, 0, 0, 0)).wrong is None) is right


@pytest.mark.parametrize(("off", "right"), [(9e-6, True), (-9e-6, True), (2e-5, False), (-2e-5, False)])
def test_a_golden_output_may_differ_by_its_tolerance(off: float, right: bool) -> None:
    payload = payload_of("stocks", "golden")
    wrong = changed(payload, number("outputs", payload.expected[0, 1] + off, 0, 1)).wrong
    assert (wrong is None) is right
    assert right or (wrong and wrong.reason == "values differ from the golden output")


@pytest.mark.parametrize(
    ("name", "field", "place"),
    [("stocks", "outputs", (1, 2)), ("kinds", "probabilities", (1, 2)), ("phases", "probabilities", (1, 0, 2))],
)
def test_an_answer_must_equal_that_to_the_row_alone_to_the_last_bit(name: str, field: str, place: tuple[int, ...]) -> None:
    payload = payload_of(name, "batch" if name == "stocks" else "ragged")
    line = 1 if len(place) == 2 else payload.lengths[0]
    value = float(payload.expected[line, place[-1]])
    assert changed(payload, number(field, value, *place)).wrong is None
    wrong = changed(payload, number(field, value * (1 + 1e-7), *place)).wrong
    assert wrong
    assert wrong.reason == "values differ from the answer to the row alone"
    where = "row 1" if len(place) == 2 else "row 1, step 0"
    assert wrong.detail.startswith(f"{where}, output 2: expected ")
    assert f"; 1 of {payload.expected.size} numbers" in wrong.detail


NUMBERS, ECHO = "values differ from the answer to the row alone", "values differ from the input"
LABEL = "a label is not the most probable class"
WRONG: list[tuple[str, Kind, Change, str, str]] = [
    ("many_to_many", "ragged", put("model", "one_to_one"), "another model", "expected many_to_many, got one_to_one"),
    ("many_to_many", "ragged", lambda a: a["sequences"].pop(), "another number of rows", "expected"),
    ("many_to_many", "ragged", lambda a: a["sequences"][1].pop(), "a row of another length", "row 1: expected"),
    ("many_to_many", "ragged", lambda a: a["in_domain"].pop(), "in_domain is not true for every row", "True"),
    ("many_to_many", "ragged", number("in_domain", False, 1), "in_domain is not true for every row", "False"),
    ("many_to_many", "ragged", number("sequences", 2.0, 1, 0), ECHO, "row 1, step 0, output 0: expected"),
    ("many_to_many", "batch", swap_rows("sequences"), ECHO, "row 0, step"),
    ("many_to_many", "one row", number("sequences", float("nan"), 0, 0), "a number is not finite", "got nan"),
    ("many_to_many", "one row", lambda a: a.pop("version"), "not an answer", "version: Field required"),
    ("many_to_many", "one row", lambda a: a.pop("sequences"), "not an answer", "sequences: Field required"),
    ("many_to_many", "one row", put("sequences", [[None]]), "not an answer", "sequences.0.0"),
    ("many_to_many", "one row", put("sequences", [["0.1"]]), "not an answer", "sequences.0.0"),
    ("many_to_one_5", "one row", number("sequences", 2.0, 0, 3), ECHO, "row 0, output 3: expected"),
    ("many_to_one_5", "golden", number("sequences", 0.9, 0, 3), "values differ from the golden output", "row 0, output 3"),
    ("waves", "ragged", number("sequences", [0.5], 1, 0), "a step of another width", "expected 2 outputs, got 1"),
    ("waves", "ragged", swap_rows("sequences"), "a row of another length", "row 0"),
    ("stocks", "batch", swap_rows("outputs"), NUMBERS, "row 0, output 0: expected"),
    ("stocks", "batch", lambda a: a["outputs"][2].pop(), "a row of another length", "row 2: expected 3 outputs, got 2"),
    ("stocks", "batch", number("outputs", float("inf"), 3, 1), "a number is not finite", "row 3, output 1"),
    ("stocks", "golden", put("model", "stocks-own"), "another model", "expected stocks, got stocks-own"),
    ("kinds", "one row", put("labels", ["z"]), LABEL, "got z"),
    ("kinds", "ragged", swap_rows("probabilities"), NUMBERS, "row 0, output"),
    ("kinds", "ragged", lambda a: a["labels"].pop(), "other numbers of labels", "expected"),
    ("kinds", "ragged", lambda a: a["probabilities"][1].pop(), "a row of another length", "expected 4 outputs, got 3"),
    ("kinds", "ragged", put("classes", ["b", "a", "c", "d"]), "other classes", "expected a, b, c, d; got b, a, c, d"),
    ("kinds", "ragged", number("probabilities", float("nan"), 1, 0), "a number is not finite", "row 1, output 0"),
    ("kinds", "ragged", lambda a: a.pop("labels"), "not an answer", "labels: Field required"),
    ("phases", "ragged", lambda a: a["labels"][1].pop(), "other numbers of labels", "expected"),
    ("phases", "ragged", number("labels", "sit", 2, 0), LABEL, "row 2, step 0: expected"),
    ("phases", "batch", swap_rows("probabilities"), NUMBERS, "row 0, step 0"),
    ("phases", "ragged", lambda a: a["probabilities"][0].append([1, 0, 0]), "a row of another length", "row 0: expected"),
    ("phases", "ragged", number("probabilities", [0.5, 0.5], 1, 0), "a step of another width", "expected 3 outputs, got 2"),
]


@pytest.mark.parametrize(("name", "kind", "change", "reason", "detail"), WRONG)
def test_wrong(name: str, kind: Kind, change: Change, reason: str, detail: str) -> None:
    wrong = changed(payload_of(name, kind), change).wrong
    assert wrong
    assert wrong.reason == reason
    assert detail in wrong.detail


@pytest.mark.parametrize("name", BY_NAME)
def test_another_model_s_answer_is_wrong(name: str) -> None:
    """Even with the right name on it."""
    others = [model for model in MODELS if model["name"] != name and len(model["features"]) == len(BY_NAME[name]["features"])]
    payload = payload_of(name, "one row")
    for other in others:
        if other["any_length"] and other["task"] != "echo":
            answered = answer(other, json.loads(payload.body)) | {"model": name, "version": "2"}
            assert check(json.dumps(answered).encode(), payload).wrong


def test_a_body_that_is_no_json_is_wrong() -> None:
    wrong = check(b"<html>", payload_of("kinds", "one row")).wrong
    assert wrong
    assert wrong.reason == "not an answer"
    assert "invalid json" in wrong.detail.lower()


@pytest.mark.parametrize("kind", ["golden", "ragged", "batch"])
def test_of_another_version_only_shape_labels_and_finite_numbers_are_checked(kind: Kind) -> None:
    payload = payload_of("kinds", kind)

    def other(answered: dict[str, Any]) -> None:
        answered["probabilities"] = [[0.1, 0.2, 0.6, 0.1] for _ in payload.lengths]
        answered.update(version="3", labels=["c"] * len(payload.lengths))

    def without_a_row(answered: dict[str, Any]) -> None:
        other(answered)
        answered["probabilities"].pop()

    assert changed(payload, other) == Checked(None, other_version=True)
    found = changed(payload, without_a_row).wrong
    assert found
    assert found.reason == "another number of rows"


def test_an_echo_is_the_input_in_every_version() -> None:
    payload = payload_of("many_to_many", "one row")
    assert changed(payload, put("version", "3")) == Checked(None)
    wrong = changed(payload, lambda a: a.update(version="3", sequences=[[2.0] * payload.lengths[0]])).wrong
    assert wrong
    assert wrong.reason == ECHO


def test_the_reason_does_not_depend_on_the_values() -> None:
    payload = payload_of("stocks", "batch")
    reasons = {found.reason for by in (0.1, 0.2, -9.3) if (found := changed(payload, number("outputs", by, 0, 0)).wrong)}
    assert len(reasons) == 1
