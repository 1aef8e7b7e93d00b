from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contract.rows import Floats
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from tests.training.scores.built import rows_data
from training.fit import Adam, Diverged, Progress, adam_of, batch, fit, tensorboard
from training.networks import build
from training.plan import Chosen, Plan, plan_echo
from training.recipes import GENERAL, TUTORIAL
from training.sequences.dataset import Dataset
from training.sequences.generated import tutorial_sequence

SHORT = 2
"""Items of a row where its length proves nothing: the compiler works over each, 3 s for five of many_to_many."""


def built(plan: Plan, seed: int = 1) -> keras.Model:
    return build(plan.network, plan.length, seed)


def uncompiled(plan: Plan) -> Plan:
    """The same steps up to the order of float32 sums; a short run takes a tenth of the time."""
    return replace(plan, recipe=replace(plan.echo, jit=False))


class Run(NamedTuple):
    plan: Plan
    model: keras.Model
    adam: Adam
    states: list[tuple[int, list[Floats]]]


@pytest.fixture(scope="module", params=TOPOLOGY_NAMES)
def undisturbed(request: pytest.FixtureRequest) -> Run:
    """An ended run of two chunks; compiling it takes a second."""
    plan = plan_echo(GENERAL, request.param, SHORT, 1, Chosen(steps=600))
    model = built(plan, 1)
    adam = adam_of(model)
    return Run(plan, model, adam, [(progress.step, adam.state()) for progress in fit(model, plan, adam)])


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(undisturbed: Run) -> None:
    again, other = built(undisturbed.plan, 1), built(undisturbed.plan, 2)
    list(fit(again, undisturbed.plan))
    list(fit(other, uncompiled(replace(undisturbed.plan, seed=2))))
    first = undisturbed.model.get_weights()
    assert all((a == b).all() for a, b in zip(first, again.get_weights(), strict=True))
    assert all(np.abs(a - b).max() > 1e-2 for a, b in zip(first, other.get_weights(), strict=True))


def test_a_restored_state_leads_to_the_same_weights_to_the_last_bit(undisturbed: Run) -> None:
    plan, model, adam, states = undisturbed
    assert [step for step, _ in states] == [500, 600]
    for step, state in states:
        resumed = built(plan, 2)  # other weights, replaced by the state
        again = adam_of(resumed)
        again.restore(step, state)
        list(fit(resumed, plan, again))
        assert all((a == b).all() for a, b in zip(resumed.get_weights(), model.get_weights(), strict=True))
        assert all((a == b).all() for a, b in zip(again.state(), adam.state(), strict=True))


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_tutorial_recipe_resumes_too(name: TopologyName) -> None:
    """Uncompiled TensorFlow itself sometimes gives another last bit: about 1 run in 40 on a busy machine."""
    settled = plan_echo(TUTORIAL, name, 5, 1, Chosen(steps=600))
    undisturbed, resumed = built(settled, 1), built(settled, 2)
    adam, again = adam_of(undisturbed), adam_of(resumed)
    states = [(progress.step, adam.state()) for progress in fit(undisturbed, settled, adam)]
    again.restore(*states[0])
    list(fit(resumed, settled, again))
    for ours, theirs in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_progress_ends_at_the_last_step_with_a_smaller_loss_and_rate_zero() -> None:
    settled = uncompiled(plan_echo(GENERAL, "one_to_one", 5, 1, Chosen(steps=2_100)))
    progress = list(fit(built(settled, 1), settled))
    assert [p.step for p in progress][-1] == 2_100
    assert [p.step for p in progress] == sorted({p.step for p in progress})
    assert progress[-1].loss < progress[0].loss
    assert progress[-1].learning_rate == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_tutorial_recipe_does_what_keras_fit_does(name: TopologyName) -> None:
    """The tutorial's own call gives the same weights after 30 epochs, up to the order of float32 sums."""
    settled = plan_echo(TUTORIAL, name, 5, 1, Chosen(steps=30))
    model, reference = (built(settled, 1) for _ in range(2))
    list(fit(model, settled))

    sequence = tutorial_sequence(5)
    shapes = {"one_to_one": ((5, 1, 1), (5, 1)), "many_to_one": ((1, 5, 1), (1, 5)), "many_to_many": ((1, 5, 1), (1, 5, 1))}
    inputs, targets = (sequence.reshape(shape) for shape in shapes[name])
    reference.compile(optimizer="adam", loss="mean_squared_error")
    reference.fit(inputs, targets, epochs=30, batch_size=5 if name == "one_to_one" else 1, verbose=0)
    for ours, theirs in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_tensorboard_finds_what_was_written(tmp_path: Path) -> None:
    of_task = Progress(1000, 1000, 0.25, 0.01, 1.0, metric=0.5, validation_loss=0.75, validation_metric=0.125)
    with tensorboard(tmp_path) as write:
        write(Progress(step=500, steps=1000, loss=0.5, learning_rate=0.01, seconds=1.0))
        write(of_task)
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    always, measured = {"loss", "learning_rate"}, {"metric", "validation_loss", "validation_metric"}
    assert set(events.Tags()["tensors"]) == always | measured
    assert [event.step for event in events.Tensors("loss")] == [500, 1000]
    for name in measured:
        (event,) = events.Tensors(name)
        assert (event.step, tf.make_ndarray(event.tensor_proto).item()) == (1000, getattr(of_task, name))


def test_a_line_of_progress_has_both_sides() -> None:
    echo = Progress(step=500, steps=1000, loss=0.25, learning_rate=0.01, seconds=1.0)
    assert echo.curve == "loss 0.25"
    assert echo._replace(metric=0.5).curve == "loss 0.25, metric 0.5"
    assert echo._replace(metric=0.5, validation_loss=2.0, validation_metric=3.0).curve == "loss 0.25 / 2, metric 0.5 / 3"


def own_rows(values: npt.NDArray[Any]) -> Dataset:
    """Sequences to echo, a row each."""
    return rows_data("echo", list(values[..., None]), values.reshape(-1, 1), per_step=True)


def test_half_of_the_rows_of_an_echo_come_from_the_data() -> None:
    data = own_rows(np.arange(500.0).reshape(100, 5))
    given, wanted = batch(plan_echo(GENERAL, "many_to_many", 5, 1, data=data), tf.constant(7))
    assert (given.numpy() == wanted.numpy()).all()
    own, drawn = np.split(given.numpy()[..., 0] * 499, 2)
    assert np.abs(own - np.rint(own)).max() < 1e-3
    assert (np.diff(np.rint(own)) == 1).all()
    assert own.max() < 350.5  # 70 of the rows are trained on
    assert np.abs(drawn - np.rint(drawn)).max() > 0.4


def test_own_data_gives_the_same_weights_to_the_last_bit() -> None:
    values = np.random.default_rng(1).normal(50, 9, (100, SHORT))
    weights = []
    for _ in range(2):
        settled = plan_echo(GENERAL, "one_to_one", SHORT, 1, Chosen(steps=60), own_rows(values))
        model = built(settled)
        list(fit(model, settled))
        weights.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


def test_an_echo_that_diverges_says_so() -> None:
    settled = uncompiled(plan_echo(GENERAL, "one_to_one", SHORT, 1, Chosen(steps=60, learning_rate=1e38)))
    with pytest.raises(Diverged, match="the loss is not finite at step 60"):
        list(fit(built(settled), settled))
