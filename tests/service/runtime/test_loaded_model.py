from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.rows import Floats, Rows
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from service.errors import NotFinite, TooFarOut
from service.runtime.grouping import FREE
from service.runtime.loaded_model import FEW, Answer, LoadedModel
from tests.conftest import data_facts, make_manifest, quantity
from tests.service.conftest import FakeRuntime, fake_model, shown
from tests.service.own_models import OWN, load, manifest_of, rows_of

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])


def told(model: LoadedModel) -> list[list[int] | None]:
    assert isinstance(model.runtime, FakeRuntime)
    return model.runtime.lengths


def test_one_to_one_gives_the_runtime_all_items_at_once() -> None:
    model = fake_model("one_to_one")
    assert model.run(RAGGED).values.tolist() == RAGGED.values.tolist()
    assert (shown(model), told(model)) == ([(6, 1, 1)], [None])


def test_many_to_one_gives_the_runtime_the_rows_as_they_are() -> None:
    model = fake_model("many_to_one", 3)
    rows = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert model.run(rows).values.tolist() == rows.values.reshape(2, 3).tolist()
    assert (shown(model), told(model)) == ([(2, 3, 1)], [None])


def test_many_to_many_pads_rows_of_similar_length_and_passes_their_lengths() -> None:
    model = fake_model("many_to_many")
    uniform, ragged = Rows.of([[0.1] * 9, [0.2] * 9]), Rows.of([[0.1] * 9, [0.2] * 11, [0.3]])
    for rows in (uniform, ragged):
        assert model.run(rows).values.tolist() == rows.values.tolist()
    assert (shown(model), told(model)) == ([(2, 9, 1), (3, 11, 1)], [None, [9, 11, 1]])


def test_rows_of_different_lengths_run_in_groups_the_longest_first() -> None:
    model = fake_model("many_to_many")
    rows = Rows.of([np.arange(length) for length in (4, 3000, 900, 2900, 900, 2)])
    assert model.run(rows).values.tolist() == rows.values.tolist()
    assert shown(model) == [(2, 3000, 1), (2, 900, 1), (2, 4, 1)]
    assert told(model) == [[3000, 2900], None, [4, 2]]


lengths_of_rows = st.lists(st.integers(1, 3000) | st.integers(1, 9), min_size=1, max_size=20)


@given(lengths_of_rows)
def test_ragged_rows_come_back_in_their_order_and_padding_is_bounded(lengths: list[int]) -> None:
    model = fake_model("many_to_many")
    rows = Rows(np.arange(sum(lengths), dtype=np.float32)[:, None], lengths)
    assert model.run(rows).values.tolist() == rows.values.tolist()
    computed = 0
    for (batch, time, _), steps in zip(shown(model), told(model), strict=True):
        items = batch * time if steps is None else sum(steps)
        assert batch * time - items <= max(items / 4, FREE)
        computed += items
    assert computed == sum(lengths)


class Linear(FakeRuntime):
    """Expects to take a second for each item that it is shown."""

    def seconds(self, rows: int, time: int) -> float:
        return rows * time


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
@given(lengths=lengths_of_rows)
def test_a_plan_expects_the_time_of_its_calls_without_making_them(name: TopologyName, lengths: list[int]) -> None:
    lengths = [5] * len(lengths) if name == "many_to_one" else lengths
    model = LoadedModel(make_manifest(name), Linear(name))
    plan = model.plan(Rows(np.zeros((sum(lengths), 1), np.float32), lengths))
    assert shown(model) == []
    model.compute(plan)
    assert plan.seconds == sum(batch * time for batch, time, _ in shown(model))


def test_in_domain_is_said_row_by_row() -> None:
    rows = Rows.of([[0.0, 0.5], [1.0], [-0.1, 0.2], [0.999]])
    assert fake_model("one_to_one").run(rows).in_domain == [True, False, False, True]
    assert fake_model("one_to_one").run(RAGGED).in_domain == [True, True, True]


def test_finite_values_whose_squares_overflow_are_an_answer() -> None:
    with np.errstate(over="ignore"):  # of which NumPy warns once
        values, in_domain = fake_model("many_to_many").run(Rows.of([[3e38, -3e38], [0.5]]))
    assert (values.ravel().tolist(), in_domain) == ([np.float32(3e38), np.float32(-3e38), 0.5], [False, True])


class Lost(FakeRuntime):
    """Has no answer to items from 0.5 up."""

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        return np.where(inputs >= 0.5, np.float32(np.nan), super().run(inputs, lengths))


@pytest.mark.parametrize(("item", "error"), [(0.5, NotFinite), (2.0, TooFarOut)], ids=["in the domain", "far out"])
def test_an_answer_that_is_not_finite_is_the_models_fault_in_the_domain_and_the_rows_outside(
    item: float, error: type[Exception]
) -> None:
    model = LoadedModel(make_manifest("many_to_many"), Lost("many_to_many"))
    with pytest.raises(error):
        model.run(Rows.of([[0.1], [0.2, item]]))
    assert model.run(Rows.of([[0.1], [0.2]])).in_domain == [True, True]


def test_an_answer_is_split_as_the_requests_came() -> None:
    parts = [Rows.of([[0.1, 0.2]]), RAGGED, Rows.of([[2.0]])]
    whole = fake_model("one_to_one").run(Rows.end_to_end(parts))
    answers = [(values.tolist(), in_domain) for values, in_domain in whole.split(parts)]
    assert answers == [
        (parts[0].values.tolist(), [True]),
        (RAGGED.values.tolist(), [True, True, True]),
        ([[2.0]], [False]),
    ]
    assert Answer(RAGGED.values, [True] * 3).split([RAGGED])[0].values is RAGGED.values


def test_an_answer_of_each_row_is_split_by_rows() -> None:
    parts = [Rows.of([[1, 2], [3]]), Rows.of([[4, 5, 6]]), Rows.of([[7], [8]])]
    values = np.arange(10, dtype=np.float32).reshape(5, 2)
    answers = Answer(values, [True, False, True, True, False]).split(parts)
    assert [(own.tolist(), in_domain) for own, in_domain in answers] == [
        ([[0, 1], [2, 3]], [True, False]),
        ([[4, 5]], [True]),
        ([[6, 7], [8, 9]], [True, False]),
    ]


def test_ragged_rows_with_one_answer_each_run_in_groups_with_their_lengths_and_come_back_in_order() -> None:
    class Last(FakeRuntime):
        """Answers with the last real step."""

        def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
            super().run(inputs, lengths)
            last = [inputs.shape[1]] * len(inputs) if lengths is None else lengths
            answers: Floats = inputs[np.arange(len(inputs)), np.array(last) - 1]
            return answers

    own = OWN["stocks"]
    model = LoadedModel(manifest_of("stocks", own), Last("many_to_one"))
    rows = Rows.of(rows_of(own, 4, 3000, 900, 2900, 900, 2), 2)
    assert model.run(rows).values.tolist() == [row[-1].tolist() for row in rows.split()]
    assert shown(model) == [(2, 3000, 2), (2, 900, 2), (2, 4, 2)]
    assert told(model) == [[3000, 2900], None, [4, 2]]


@pytest.mark.parametrize("name", ["walks", "stocks", "sides", "next", "each"])
def test_rows_of_one_to_three_thousand_steps_answer_as_alone_in_any_company(name: str, tmp_path: Path) -> None:
    own, rng = OWN[name], np.random.default_rng(2026)
    model = load(name, tmp_path)
    lengths = [1, 3000, *np.exp(rng.uniform(0, np.log(3000), 40)).astype(int).tolist(), *[700] * 9]
    rows = rows_of(own, *lengths)
    alone = [model.run(Rows.of([row], 2)).values.tobytes() for row in rows]
    assert len(set(alone)) == len(alone)
    for _ in range(30):
        company = rng.choice(len(rows), rng.choice([2, 5, 30]), replace=False)
        parts = [Rows.of([rows[number]], 2) for number in company]
        answers = model.run(Rows.end_to_end(parts)).split(parts)
        assert [answer.values.tobytes() for answer in answers] == [alone[number] for number in company]


def test_widths_are_those_of_the_targets_in_the_order_of_the_outputs() -> None:
    widths = {name: LoadedModel(manifest_of(name, OWN[name]), FakeRuntime("many_to_one")).widths.tolist() for name in OWN}
    assert widths["stocks"] == [6, 60] * 3
    assert (widths["windows"], widths["level"]) == ([6] * 3, [1])
    assert fake_model("many_to_one", 3).widths.tolist() == [1, 1, 1]


@pytest.mark.parametrize("items", [1, FEW, FEW + 1])
@pytest.mark.parametrize("far", [1.0, -1e-9, np.nan, np.inf, -np.inf, 0.3])
def test_one_item_outside_is_found_among_few_and_among_many(items: int, far: float) -> None:
    """0.3 is the upper end of the domain, and less as a float32."""
    model = LoadedModel(make_manifest("one_to_one", features=[quantity("value", high=0.3)]), FakeRuntime("one_to_one"))
    values = np.full((items, 1), 0.25, np.float32)
    assert model.in_domain(Rows(values, [items])).tolist() == [True]
    for place in {0, items - 1}:
        outside = values.copy()
        outside[place] = far
        assert model.in_domain(Rows(outside, [items])).tolist() == [False]


@pytest.mark.parametrize("features", [1, 2])
def test_an_answer_to_a_row_shorter_than_those_of_the_data_is_outside_the_domain(features: int) -> None:
    """One feature takes the short way."""
    says: dict[str, Any] = {"features": [quantity(f"f{n}") for n in range(features)], "classes": ["a", "b"], "task": "classify"}
    manifest = make_manifest("many_to_one", name="own", any_length=True, data=data_facts(3, 9), **says)
    model = LoadedModel(manifest, FakeRuntime("many_to_one"))
    rows = Rows(np.full((5, features), 0.5, np.float32), [3, 2])
    assert model.answer(rows, np.zeros((2, 2), np.float32)).in_domain == [True, False]
    assert model.answer(rows.parts([1, 1])[0], np.zeros((1, 2), np.float32)).in_domain == [True]
