import numpy as np
import pytest

from contract.topologies import Rows, TopologyName
from service.buckets import most_rows
from tests.service.conftest import fake_model, shown

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])


def test_one_to_one_shows_the_runtime_every_item_at_once() -> None:
    model = fake_model("one_to_one")
    assert model.run(RAGGED).values.tolist() == RAGGED.values.tolist()
    assert shown(model) == [(6, 1, 1)]


def test_many_to_one_is_never_padded_in_time() -> None:
    model = fake_model("many_to_one", 3)
    rows = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert model.run(rows).values.tolist() == rows.values.tolist()
    assert shown(model) == [(2, 3, 1)]


def test_many_to_many_is_padded_to_the_next_compiled_time() -> None:
    model = fake_model("many_to_many")
    rows = Rows.of([[0.1] * 9, [0.2] * 9])
    assert model.run(rows).values.tolist() == rows.values.tolist()
    ragged = Rows.of([[0.1] * 9, [0.2] * 11])
    assert model.run(ragged).values.tolist() == ragged.values.tolist()
    assert shown(model) == [(2, 9, 1), (2, 16, 1)]


def test_ragged_rows_come_back_in_their_order_and_padding_is_bounded() -> None:
    rng = np.random.default_rng(1)
    rows = Rows.of([rng.random(length) for length in rng.integers(8, 1000, 60)])
    model = fake_model("many_to_many")
    assert model.run(rows).values.tolist() == rows.values.tolist()
    assert sum(batch * time for batch, time, _ in shown(model)) <= 2 * len(rows.values)


def test_rows_beyond_the_longest_time_go_one_by_one() -> None:
    model = fake_model("many_to_many")
    rows = Rows.of([np.arange(n) for n in (3000, 5, 2000)])
    assert model.run(rows).values.tolist() == rows.values.tolist()
    assert sorted(shown(model)) == [(1, 8, 1), (2000,), (3000,)]


@pytest.mark.parametrize(("name", "time"), [("one_to_one", 1), ("many_to_one", 5), ("many_to_many", 5)])
def test_more_rows_than_a_call_may_have_run_in_pieces(name: TopologyName, time: int) -> None:
    most = most_rows(time)
    model = fake_model(name)
    samples = most + 7 if name != "one_to_one" else -(-(most + 7) // 5)
    rows = Rows(np.arange(samples * 5, dtype=np.float32), [5] * samples)
    assert model.run(rows).values.tolist() == rows.values.tolist()
    assert shown(model)[0][0] == most
    assert len(shown(model)) == 2


def test_in_domain_is_said_row_by_row() -> None:
    rows = Rows.of([[0.0, 0.5], [1.0], [-0.1, 0.2], [0.999]])
    assert fake_model("one_to_one").run(rows).in_domain == [True, False, False, True]
    assert fake_model("one_to_one").run(RAGGED).in_domain == [True, True, True]
