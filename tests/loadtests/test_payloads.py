"""Payloads depend on the seed, have the kinds of the table, and suit the model."""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from loadtests.models import Model
from loadtests.payloads import BATCH_ROWS, MIX, MOST_NUMBERS, drawn_rows, make_pool
from tests.conftest import data_facts
from tests.loadtests.fake_models import BY_NAME, card, listed, under_test


def model(**facts: object) -> Model:
    """A model without answers to rows alone: an echo, so that it needs none."""
    return Model.model_validate(card(listed(**facts)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BY_NAME)
def test_the_body_has_rows_within_the_domain_and_the_shape_of_the_expected_answer(name: str) -> None:
    asked = under_test(name, seed=1)
    features = len(asked.features)
    for payload in make_pool(asked, seed=1, size=100):
        rows = [np.array(row).reshape(len(row), -1) for row in json.loads(payload.body)["sequences"]]
        assert [len(row) for row in rows] == payload.lengths
        assert {row.shape[1] for row in rows} == {features}
        lines = sum(payload.lengths) if asked.per_step else len(rows)
        assert payload.expected.shape == (lines, asked.outputs)
        values = np.concatenate(rows).astype(np.float32)
        if asked.echo and payload.kind != "golden":
            assert np.array_equal(payload.expected.reshape(values.shape).astype(np.float32), values)
        if payload.kind != "golden":
            for column, feature in zip(values.T, asked.features, strict=True):
                assert np.float32(feature.domain.low) <= column.min() <= column.max() < np.float32(feature.domain.high)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 1.0), (-1e-9, 1e-9), (0.1, 0.3), (3e5, 3e5 + 1), (1e9, 1e9 + 128), (-3e38, 3e38), (16777215.0, 16777217.0)],
)
def test_drawn_values_are_in_the_domain_as_float32_too(low: float, high: float) -> None:
    values = np.concatenate(drawn_rows(model(name="one_to_one", topology="one_to_one", domains=((low, high),)), seed=0))
    for each in (values, values.astype(np.float32).astype(np.float64)):
        assert low <= each.min() <= each.max() < high
    assert len(np.unique(values.astype(np.float32))) > 1 or high - low <= 2


def test_drawn_values_are_short_as_json() -> None:
    values = np.concatenate(drawn_rows(under_test("waves"), seed=0))[:, 0]
    assert max(len(json.dumps(value)) for value in values.tolist()) <= len("-12.34")


def test_the_mix_is_as_in_the_table() -> None:
    counted = Counter(payload.kind for payload in make_pool(under_test("many_to_many"), seed=0, size=200))
    assert counted == {kind: share * 200 for kind, share in MIX.items()}


@pytest.mark.parametrize(("name", "longest"), [("one_to_one", 100), ("kinds", 29)])
def test_lengths_go_from_1_to_100_but_no_longer_than_the_gate_tried(name: str, longest: int) -> None:
    pool = make_pool(under_test(name), seed=0, size=2000)
    assert {length for payload in pool for length in payload.lengths} == set(range(1, longest + 1))


@pytest.mark.parametrize(
    ("topology", "shortest", "drawn"),
    [("many_to_one", 7, range(7, 30)), ("many_to_many", 7, range(1, 30)), ("many_to_one", 29, [29])],
)
def test_a_row_with_one_answer_is_not_drawn_shorter_than_those_of_the_data(
    topology: str, shortest: int, drawn: Sequence[int]
) -> None:
    own = model(name="own", topology=topology, highest_length=29, data=data_facts(shortest, 29))
    assert {len(row) for row in drawn_rows(own, seed=0)} == set(drawn)


@pytest.mark.parametrize(("name", "length"), [("many_to_one_5", 5), ("stocks", 7)])
def test_a_model_of_one_length_gets_only_that_and_no_ragged_rows(name: str, length: int) -> None:
    pool = make_pool(under_test(name), seed=0)
    assert {each for payload in pool for each in payload.lengths} == {length}
    assert {payload.kind for payload in pool} == {"golden", "one row", "batch"}


def test_each_payload_suits_its_kind() -> None:
    asked = under_test("kinds", seed=3)
    for payload in make_pool(asked, seed=3, size=100):
        match payload.kind:
            case "golden":
                pairs = [(pair.input, pair.output) for pair in asked.golden]
                assert (json.loads(payload.body)["sequences"][0], payload.expected.tolist()) in pairs
            case "one row":
                assert len(payload.lengths) == 1
            case "ragged":
                assert len(set(payload.lengths)) == len(payload.lengths) > 1
            case "batch":
                assert payload.lengths == [payload.lengths[0]] * BATCH_ROWS


def test_a_few_hundred_rows_are_asked_alone_and_requests_of_many_features_stay_small() -> None:
    wide = model(name="wide", topology="many_to_many", domains=((0.0, 1.0),) * 1000)
    assert len(drawn_rows(under_test("kinds"), seed=0)) == 228
    assert max(payload.expected.size for payload in make_pool(wide, seed=0, size=40)) <= MOST_NUMBERS


def test_equal_seeds_give_equal_payloads() -> None:
    first, again, other = (make_pool(under_test("one_to_one"), seed) for seed in (7, 7, 8))
    assert [p.body for p in first] == [p.body for p in again]
    assert [p.body for p in first] != [p.body for p in other]
