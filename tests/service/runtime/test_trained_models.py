"""Really trained models as they are served: a row's answer is the same to the last bit, whichever rows are beside it."""

import numpy as np
import pytest

from contract.rows import Floats, Rows
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from tests.service.runtime.conftest import Trained

COMPANIES = 700
"""Of each topology."""


def some_rows(name: TopologyName, rng: np.random.Generator) -> list[Floats]:
    """Of lengths from 1 to 3,000, short ones more often, where the topology takes any; and some of the same length."""
    lengths = [5] * 200
    if name != "many_to_one":
        lengths = [1, 3000, *np.exp(rng.uniform(0, np.log(3000), 148)).astype(int).tolist(), *[5] * 25, *[700] * 25]
    return [rng.random(length, np.float32) for length in lengths]


def by_rows(rows: Rows, values: Floats) -> list[Floats]:
    """The answer to each row."""
    return rows.split(values) if len(values) == len(rows.values) else list(values)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_other_rows_change_no_bit_of_an_answer(trained: Trained, name: TopologyName) -> None:
    rng, model = np.random.default_rng(2026), trained[name]
    rows = some_rows(name, rng)
    alone = [model.run(Rows.of([row])).values.tobytes() for row in rows]
    assert len(set(alone)) == len(alone)
    for _ in range(COMPANIES):
        company = rng.choice(len(rows), rng.choice([2, 5, 40], p=[0.4, 0.5, 0.1]), replace=False)
        together = Rows.of([rows[number] for number in company])
        answers = by_rows(together, model.run(together).values)
        assert [answer.tobytes() for answer in answers] == [alone[number] for number in company]
    everything = Rows.of(rows)
    assert [answer.tobytes() for answer in by_rows(everything, model.run(everything).values)] == alone
    assert [model.run(Rows.of([row])).values.tobytes() for row in rows] == alone  # after all others, too


def test_the_beginning_of_a_row_answers_as_in_the_whole_wherever_it_is_cut(trained: Trained) -> None:
    model = trained["many_to_many"]
    row = np.random.default_rng(4).random(200_000, np.float32)  # more than one call
    whole = model.run(Rows.of([row])).values
    for length in (1, 5, 3000, 78_643, 78_644, 199_999):
        assert model.run(Rows.of([row[:length]])).values.tobytes() == whole[:length].tobytes()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -3e38])
@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_a_poisoned_row_changes_no_other(trained: Trained, name: TopologyName, poison: float) -> None:
    model = trained[name]
    rows = list(np.random.default_rng(3).random((8, 5), np.float32))
    clean = by_rows(Rows.of(rows), model.run(Rows.of(rows)).values)
    rows[3] = np.full(5, poison, np.float32)
    poisoned = model.run(Rows.of(rows))
    answers = by_rows(Rows.of(rows), poisoned.values)
    assert poisoned.in_domain == [number != 3 for number in range(8)]
    assert [number for number in range(8) if answers[number].tobytes() != clean[number].tobytes()] == [3]
