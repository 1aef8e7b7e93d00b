"""Payloads depend on the seed, have the kinds of the table, and suit the topology."""

import json
from collections import Counter

import numpy as np
import pytest

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from loadtests.payloads import BATCH_ROWS, MIX, TUTORIAL_ROW, make_pool


@pytest.mark.parametrize("topology", TOPOLOGY_NAMES)
def test_the_body_has_the_rows_of_the_expected_answer(topology: TopologyName) -> None:
    for payload in make_pool(topology, [5, 10], seed=1, size=100):
        sequences = json.loads(payload.body)["sequences"]
        assert payload.topology == topology
        assert [len(row) for row in sequences] == payload.lengths == payload.expected.lengths
        assert np.array_equal(np.concatenate(sequences).astype(np.float32), payload.expected.values)
        assert 0 <= min(map(min, sequences)) <= max(map(max, sequences)) < 1
        TOPOLOGIES[topology].check(payload.expected)


def test_the_mix_is_as_in_the_table() -> None:
    counted = Counter(payload.kind for payload in make_pool("many_to_many", [], seed=0, size=200))
    assert counted == {kind: share * 200 for kind, share in MIX.items()}


def test_lengths_go_from_1_to_100_where_any_is_allowed() -> None:
    lengths = {length for payload in make_pool("one_to_one", [], seed=0, size=2000) for length in payload.lengths}
    assert lengths == set(range(1, 101))


def test_many_to_one_gets_only_served_lengths_and_no_ragged_rows() -> None:
    pool = make_pool("many_to_one", [3, 10], seed=0)
    assert {length for payload in pool for length in payload.lengths} == {3, 10}
    assert {payload.kind for payload in pool} == {"one row", "batch"}  # no ragged rows, and the tutorial row is 5 long


def test_each_payload_suits_its_kind() -> None:
    for payload in make_pool("many_to_many", [], seed=3, size=100):
        match payload.kind:
            case "tutorial":
                assert json.loads(payload.body) == {"sequences": [list(TUTORIAL_ROW)]}
            case "one row":
                assert len(payload.lengths) == 1
            case "ragged":
                assert len(set(payload.lengths)) == len(payload.lengths) > 1
            case "batch":
                assert payload.lengths == [payload.lengths[0]] * BATCH_ROWS


def test_equal_seeds_give_equal_payloads() -> None:
    first, again, other = (make_pool("one_to_one", [], seed) for seed in (7, 7, 8))
    assert [p.body for p in first] == [p.body for p in again]
    assert [p.body for p in first] != [p.body for p in other]
