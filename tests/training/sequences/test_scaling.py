from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.manifest import Domain
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from training.gate import Translated
from training.networks import build, export
from training.recipes import GENERAL, plan
from training.sequences.dataset import domain_of
from training.sequences.scaling import Scaling, width

finite = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(deadline=None)
@given(values=st.lists(finite, min_size=2, max_size=20))
def test_the_domain_becomes_the_unit_and_back(values: list[float]) -> None:
    array = np.array(values, np.float32)
    domain = domain_of(array)
    if domain.high - domain.low < 1e-4 * max(abs(domain.low), abs(domain.high)):
        return  # `check` refuses such data
    scaling = Scaling(domain, domain)
    unit = scaling.inputs_to_unit(array)
    assert unit.dtype == np.float32
    assert unit.min() == 0
    assert unit.max() <= 1
    back = scaling.outputs_from_unit(unit)
    assert np.abs(back - array).max() <= scaling.rounding() + 1e-6 * float(width(domain))


class Unscaled(NamedTuple):
    """A network, and its SavedModel without a scaling."""

    name: TopologyName
    model: keras.Model
    saved: Any


@pytest.fixture(scope="module", params=TOPOLOGY_NAMES)
def unscaled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unscaled:
    folder = tmp_path_factory.mktemp("unscaled") / "saved"
    model = build(TOPOLOGIES[request.param], 5, 5, seed=1)
    export(model, TOPOLOGIES[request.param], folder)
    return Unscaled(request.param, model, tf.saved_model.load(str(folder)))


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (Domain(low=-40.0, high=260.0), Domain(low=-40.0, high=260.0)),
        (Domain(low=1000.0, high=1001.0), Domain(low=-3e6, high=5e6)),
        (Domain(low=-2e-5, high=3e-5), Domain(low=0.0, high=1e-9)),
    ],
)
def test_a_model_in_the_users_units_answers_what_the_networks_own_answers(
    unscaled: Unscaled, inputs: Domain, targets: Domain, tmp_path: Path
) -> None:
    name, model, unit = unscaled
    topology, scaling = TOPOLOGIES[name], Scaling(inputs, targets)
    export(model, topology, tmp_path / "own", scaling)
    own = tf.saved_model.load(str(tmp_path / "own"))
    time = 1 if name == "one_to_one" else 5
    rows = np.random.default_rng(1).random((40, time, 1), np.float32)
    in_users = rows * width(inputs) + np.float32(inputs.low)
    (plain,) = unit.signatures["serving_default"](sequences=tf.constant(scaling.inputs_to_unit(in_users))).values()
    (answer,) = own.signatures["serving_default"](sequences=tf.constant(in_users)).values()
    bar = 1e-6 * float(width(targets)) + scaling.rounding()
    assert np.abs(answer.numpy() - scaling.outputs_from_unit(plain.numpy())).max() <= bar
    translated, _, _ = Translated(tmp_path / "own", plan(GENERAL, name, 5, seed=1)).raw(in_users, [time] * 40)
    assert translated.shape == answer.shape
    assert np.abs(translated - answer.numpy()).max() <= bar
    if not topology.return_sequences:
        return
    h = c = tf.zeros((40, 5))
    for item in range(5):  # the state stays in the network's units
        step = own.signatures["step"](item=tf.constant(in_users[:, item]), h=h, c=c)
        h, c = step["h"], step["c"]
        assert np.abs(step["item"].numpy() - answer.numpy()[:, item]).max() <= bar


def test_no_weight_is_added(tmp_path: Path) -> None:
    topology = TOPOLOGIES["many_to_many"]
    model = build(topology, 5, 5, seed=1)
    export(model, topology, tmp_path / "own", Scaling(Domain(low=0.0, high=9.0), Domain(low=1.0, high=2.0)))
    export(model, topology, tmp_path / "unit")
    own, unit = (tf.train.list_variables(str(tmp_path / folder / "variables" / "variables")) for folder in ("own", "unit"))
    assert own == unit
    assert model.count_params() == 146
