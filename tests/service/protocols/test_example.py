"""The request that is shown for a version."""

import json

from contract.manifest import GoldenPair
from service.protocols.example import example
from tests.conftest import make_manifest, quantity


def pair(row: list[list[float]]) -> GoldenPair:
    return GoldenPair(input=row, output=row)


def test_it_is_the_shortest_golden_row_that_looks_like_a_sequence() -> None:
    rows = [[[0.25]] * 9, [[0.123456], [0.5], [1.0]], [[0.75]]]
    path, body = example(make_manifest("many_to_many", golden=[pair(row) for row in rows]))
    assert path == "/models/many_to_many/predict"
    assert json.loads(body) == {"sequences": [[0.1235, 0.5, 1.0]]}


def test_several_features_stay_lists() -> None:
    features = [quantity("open"), quantity("close")]
    _, body = example(make_manifest("many_to_many", features=features, golden=[pair([[0.1, 0.2], [0.3, 0.4]])]))
    assert json.loads(body) == {"sequences": [[[0.1, 0.2], [0.3, 0.4]]]}
