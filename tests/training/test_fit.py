from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from tests.training.conftest import own_data
from training.fit import Progress, adam_of, batch, fit, tensorboard
from training.networks import build
from training.recipes import GENERAL, TUTORIAL, plan
from training.sequences.generated import tutorial_sequence

SHORT = 2
"""Items of a row where its length proves nothing: the compiler works over each, 3 s for five of many_to_many."""


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_same_seed_gives_the_same_weights_to_the_last_bit(name: TopologyName) -> None:
    runs = []
    for seed in (1, 1, 2):
        settled = plan(GENERAL, name, length=SHORT, seed=seed, steps=60)
        model = build(settled.topology, settled.units, settled.length, seed)
        list(fit(model, settled))
        runs.append(model.get_weights())
    first, again, other = runs
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_a_restored_state_leads_to_the_same_weights_to_the_last_bit(name: TopologyName) -> None:
    settled = plan(GENERAL, name, length=SHORT, seed=1, steps=600)
    undisturbed = build(settled.topology, 5, SHORT, seed=1)
    adam = adam_of(undisturbed)
    states = [(progress.step, adam.state()) for progress in fit(undisturbed, settled, adam)]
    assert [step for step, _ in states] == [500, 600]
    for step, state in states:
        resumed = build(settled.topology, 5, SHORT, seed=2)  # other weights, replaced by the state
        again = adam_of(resumed)
        again.restore(step, state)
        list(fit(resumed, settled, again))
        assert all((a == b).all() for a, b in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True))
        assert all((a == b).all() for a, b in zip(again.state(), adam.state(), strict=True))


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_tutorial_recipe_resumes_too(name: TopologyName) -> None:
    """Uncompiled TensorFlow itself sometimes gives another last bit: about 1 run in 40 on a busy machine."""
    settled = plan(TUTORIAL, name, length=5, seed=1, steps=600)
    undisturbed, resumed = build(settled.topology, 5, 5, seed=1), build(settled.topology, 5, 5, seed=2)
    adam, again = adam_of(undisturbed), adam_of(resumed)
    states = [(progress.step, adam.state()) for progress in fit(undisturbed, settled, adam)]
    again.restore(*states[0])
    list(fit(resumed, settled, again))
    for ours, theirs in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_state_of_other_variables_is_refused() -> None:
    small, large = (build(TOPOLOGIES["one_to_one"], units, 5, seed=1) for units in (4, 5))
    with pytest.raises(ValueError, match="shape"):
        adam_of(large).restore(1, adam_of(small).state())


def test_progress_ends_at_the_last_step_with_a_smaller_loss_and_rate_zero() -> None:
    settled = plan(GENERAL, "one_to_one", length=5, seed=1, steps=2_100)
    progress = list(fit(build(settled.topology, 5, 5, 1), settled))
    assert [p.step for p in progress][-1] == 2_100
    assert [p.step for p in progress] == sorted({p.step for p in progress})
    assert progress[-1].loss < progress[0].loss
    assert progress[-1].learning_rate == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_tutorial_recipe_does_what_keras_fit_does(name: TopologyName) -> None:
    """The tutorial's own call gives the same weights after 30 epochs, up to the order of float32 sums."""
    settled = plan(TUTORIAL, name, length=5, seed=1, steps=30)
    model, reference = (build(settled.topology, 5, 5, 1) for _ in range(2))
    list(fit(model, settled))

    sequence = tutorial_sequence(5)
    shapes = {"one_to_one": ((5, 1, 1), (5, 1)), "many_to_one": ((1, 5, 1), (1, 5)), "many_to_many": ((1, 5, 1), (1, 5, 1))}
    inputs, targets = (sequence.reshape(shape) for shape in shapes[name])
    reference.compile(optimizer="adam", loss="mean_squared_error")
    reference.fit(inputs, targets, epochs=30, batch_size=5 if name == "one_to_one" else 1, verbose=0)
    for ours, theirs in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_tensorboard_finds_what_was_written(tmp_path: Path) -> None:
    with tensorboard(tmp_path) as write:
        write(Progress(step=500, steps=1000, loss=0.25, learning_rate=0.01, seconds=1.0))
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    assert set(events.Tags()["tensors"]) == {"loss", "learning_rate"}
    assert [event.step for event in events.Tensors("loss")] == [500]


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_a_mapping_learns_training_rows_with_their_own_targets(name: TopologyName, tmp_path: Path) -> None:
    inputs = np.arange(500.0).reshape(100, 5)
    data = own_data(tmp_path, inputs, 1000 - inputs)
    settled = plan(GENERAL, name, 5, seed=1, data=data)
    seen = set()
    for step in range(40):
        given, wanted = (tensor.numpy() for tensor in batch(settled, tf.constant(step)))
        again, _ = batch(settled, tf.constant(step))
        assert (given == again.numpy()).all()
        assert given.shape == ((320, 1, 1) if name == "one_to_one" else (64, 5, 1))
        assert wanted.shape == {"one_to_one": (320, 1), "many_to_one": (64, 5), "many_to_many": (64, 5, 1)}[name]
        assert (
            np.abs(given.reshape(-1) + wanted.reshape(-1) - 1).max() < 1e-6
        )  # both in [0, 1]; the mapping turns the values round
        seen |= set(np.rint(given.reshape(-1) * 499).astype(int).tolist())
    assert seen == set(data.rows(data.train).inputs.reshape(-1).astype(int).tolist())


def test_half_of_the_rows_of_an_echo_come_from_the_data(tmp_path: Path) -> None:
    data = own_data(tmp_path, np.arange(500.0).reshape(100, 5))
    given, wanted = batch(plan(GENERAL, "many_to_many", 5, seed=1, data=data), tf.constant(7))
    assert (given.numpy() == wanted.numpy()).all()
    own, drawn = np.split(given.numpy()[..., 0] * 499, 2)
    assert np.abs(own - np.rint(own)).max() < 1e-3
    assert (np.diff(np.rint(own)) == 1).all()
    assert np.abs(drawn - np.rint(drawn)).max() > 0.4


def test_own_data_gives_the_same_weights_to_the_last_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(50, 9, (100, SHORT))
    weights = []
    for _ in range(2):
        settled = plan(GENERAL, "many_to_many", SHORT, seed=1, steps=60, data=own_data(tmp_path, values, values[:, ::-1]))
        model = build(settled.topology, settled.units, SHORT, 1)
        list(fit(model, settled))
        weights.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))
