import numpy as np
import pytest

from contract.rows import Rows
from service.runtime.domains import Domains
from tests.conftest import data_facts, make_manifest, quantity
from tests.service.own_models import OWN, manifest_of

WALKS = manifest_of("walks", OWN["walks"])
"""x from -3 up to 3, y from -30 up to 30, and at most 50 steps."""


def test_a_row_is_in_the_domain_with_every_feature_of_every_step() -> None:
    rows = Rows.of([[[0, 0], [2.9, 29]], [[3, 0]], [[-3, -30]], [[0, 0], [0, 30], [0, 0]], [[0, 0]] * 50, [[0, 0]] * 51], 2)
    assert Domains(WALKS).hold(rows).tolist() == [True, False, True, False, True, False]
    assert not Domains(WALKS).hold_all(rows)
    each = rows.parts([1] * 6)
    assert [Domains(WALKS).hold_all(row) for row in each] == [True, False, True, False, True, False]


@pytest.mark.parametrize("name", ["many_to_one", "many_to_many", "one_to_one"])
def test_the_length_of_a_row_does_not_count_for_an_echo(name: str) -> None:
    manifest = make_manifest(next(t for t in ("many_to_one", "many_to_many", "one_to_one") if t == name), length=2000)
    assert Domains(manifest).hold(Rows.of([[0.5] * 2000])).tolist() == [True]
    assert Domains(manifest).only == (0.0, 1.0, np.inf)


def test_a_long_domain_is_cut_in_a_message() -> None:
    features = [quantity(f"feature {number}") for number in range(100)]
    stated = Domains(make_manifest("many_to_many", name="wide", features=features)).stated
    assert stated.startswith("steps of feature 0 from 0 up to 1, feature 1 from 0")
    assert len(stated) == 204
    assert Domains(WALKS).stated == "steps of x from -3 up to 3, y from -30 up to 30"
    assert Domains(make_manifest()).stated == "items from 0 up to 1"


def test_the_first_fault_of_the_first_row_is_named() -> None:
    rows = Rows.of([[[0, 0]], [[0, 1], [0, -31], [9, 9]], [[9, 9]]], 2)
    error = Domains(WALKS).outside(rows)
    assert error.extra == {"expected": "y from -30 up to 30", "received": "-31 in row 1, step 1", "row": 1}


def of_data(name: str) -> Domains:
    """Of a model whose data has rows of 7 to 29 steps, and that the gate tried up to 50."""
    return Domains(manifest_of(name, OWN[name], data=data_facts(7, 29)))


@pytest.mark.parametrize(("name", "held"), [("walks", [False, False, True, True, False]), ("next", [True] * 4 + [False])])
def test_a_row_with_one_answer_is_outside_if_it_is_shorter_than_any_of_the_data(name: str, held: list[bool]) -> None:
    """Each step of `next` has an answer, so that all its rows begin as short ones."""
    rows = Rows.of([[[0, 0]] * length for length in (1, 6, 7, 50, 51)], 2)
    assert of_data(name).hold(rows).tolist() == held
    assert [of_data(name).hold_all(row) for row in rows.parts([1] * 5)] == held


def test_a_row_that_is_too_short_or_too_long_is_named_with_the_bound() -> None:
    short, long = (of_data("walks").outside(Rows.of([[[0, 0]] * 9, [[0, 0]] * length], 2)) for length in (6, 51))
    assert short.extra == {"expected": "rows of at least 7 steps", "received": "6 steps in row 1", "row": 1}
    assert long.extra == {"expected": "rows of at most 50 steps", "received": "51 steps in row 1", "row": 1}
