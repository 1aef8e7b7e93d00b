import numpy as np
import pytest

from contract.manifest import Domain
from training.sequences.generated import edge_rows, random_rows, tutorial_sequence

UNIT = Domain(low=0.0, high=1.0)


def test_the_tutorials_sequence() -> None:
    assert tutorial_sequence(5).tolist() == np.array([0.0, 0.2, 0.4, 0.6, 0.8], np.float32).tolist()
    assert tutorial_sequence(4).tolist() == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("domain", [UNIT, Domain(low=-3.0, high=7.0)])
def test_random_rows_fill_the_domain_and_are_seeded(domain: Domain) -> None:
    rows = random_rows(1, 500, 7, domain)
    assert rows.shape == (500, 7)
    assert rows.dtype == np.float32
    assert domain.low <= rows.min() < domain.low + 0.01 * (domain.high - domain.low)
    assert domain.high - 0.01 * (domain.high - domain.low) < rows.max() < domain.high
    assert (rows == random_rows(1, 500, 7, domain)).all()
    assert (rows != random_rows(2, 500, 7, domain)).any()


@pytest.mark.parametrize("length", [1, 2, 5, 100])
def test_edges_reach_the_last_float_of_the_domain(length: int) -> None:
    edges = dict(edge_rows(length, UNIT))
    assert set(edges) == {"all lowest", "all highest", "ramps", "alternation", "one odd value"}
    for rows in edges.values():
        assert rows.shape[1] == length
        assert rows.dtype == np.float32
        assert rows.min() >= 0.0
        assert rows.max() < 1.0
    assert edges["all lowest"].tolist() == [[0.0] * length]
    assert edges["all highest"].min() == np.nextafter(np.float32(1), np.float32(0))
