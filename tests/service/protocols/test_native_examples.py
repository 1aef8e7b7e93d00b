from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.manifest import Manifest, Quantity
from contract.rows import Rows
from service.protocols.native_examples import MOST_NUMBERS, example
from service.runtime.domains import Domains
from tests.conftest import data_facts, make_manifest, quantity
from tests.service.own_models import OWN, manifest_of

Float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def of(*features: Quantity) -> Manifest:
    return make_manifest("many_to_many").model_copy(update={"features": list(features)})


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (of(quantity("value")), [[0.1, 0.3, 0.5]]),
        (of(quantity("price", 1000.0, 1000.1)), [[1000.01, 1000.03, 1000.05]]),
        (of(quantity("a", -5, 5), quantity("b", 0, 1e6)), [[[-4.0, 100000.0], [-2.0, 300000.0], [0.0, 500000.0]]]),
    ],
)
def test_an_example_is_short_and_easy_to_read(manifest: Manifest, expected: list[Any]) -> None:
    assert example(manifest) == {"sequences": expected}


def test_it_has_a_length_that_the_model_takes() -> None:
    assert example(make_manifest("many_to_one", length=7)) == {"sequences": [[0.1, 0.3, 0.5, 0.7, 0.9, 0.1, 0.3]]}
    long = manifest_of("walks", OWN["walks"], data=data_facts(8, 50))
    made = example(long)
    assert made is not None
    assert np.array(made["sequences"]).shape == (1, 8, 2)


def test_a_long_one_is_not_made() -> None:
    assert example(make_manifest("many_to_one", length=MOST_NUMBERS)) is not None
    assert example(make_manifest("many_to_one", length=MOST_NUMBERS + 1)) is None


@settings(deadline=None)
@given(ends=st.tuples(Float32, Float32).filter(lambda ends: ends[0] + max(abs(ends[0]) * 1e-4, 1e-30) < ends[1]))
def test_it_is_in_the_domain_whatever_the_domain(ends: tuple[float, float]) -> None:
    """Of domains in which float32 has many numbers: training refuses others."""
    manifest = of(quantity("value", *ends))
    made = example(manifest)
    assert made is not None
    assert Domains(manifest).hold(Rows.of(made["sequences"])).tolist() == [True]
