import numpy as np
import pytest

from contract.rows import Rows
from service.runtime.domains import Domains
from tests.conftest import make_manifest, quantity
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
