import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract.rows import Floats
from tests.training.scores.built import forecast_data, rows_data
from training.fit import Diverged, Progress, adam_of, fit
from training.fitting import epochs
from training.networks import build, forward
from training.plan import Chosen, Plan, plan_task
from training.sequences.dataset import Dataset, Side


def with_validation(data: Dataset) -> Dataset:
    """Every fourth training row chooses the weights."""
    chooses = np.arange(len(data.train)) % 4 == 0
    train, validation = (Side(*(part[some] for part in data.train)) for some in (~chooses, chooses))
    return replace(data, train=train, validation=validation)


def kinds(noise: float = 0.3) -> Dataset:
    """Three classes by the mean of the first feature; rows of 2 to 6 steps."""
    rng = np.random.default_rng(1)
    classes = rng.integers(3, size=80)
    rows = [rng.normal([kind, 0], noise, (int(rng.integers(2, 7)), 2)) for kind in classes]
    return with_validation(rows_data("classify", rows, classes, classes=3))


def plan_of(data: Dataset, topology: str = "many_to_one", seed: int = 1, **chosen: Any) -> Plan:
    return plan_task(data, topology, "own", seed, Chosen(**{"units": 5, "batch": 8, "epochs": 6, "dropout": 0.0, **chosen}))  # type: ignore[arg-type]


def trained(plan: Plan, seed: int = 1) -> tuple[keras.Model, list[Progress]]:
    model = build(plan.network, plan.length, seed)
    return model, list(fit(model, plan))


def same(first: list[Floats], second: list[Floats]) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


def test_classes_are_learnt_and_the_curve_has_both_sides() -> None:
    plan = plan_of(kinds(), epochs=40, learning_rate=2e-2)
    model, progress = trained(plan)
    assert [each.step for each in progress] == [plan.epoch * epoch for epoch in range(1, len(progress) + 1)]
    assert progress[-1].steps == plan.steps
    first, last = progress[0], progress[-1]
    assert last.metric is not None
    assert last.validation_metric is not None
    assert first.validation_loss is not None
    assert last.validation_loss is not None
    assert last.validation_metric >= 0.9
    assert last.metric >= 0.9
    assert last.loss < 0.5 * first.loss
    assert last.validation_loss < 0.5 * first.validation_loss
    assert plan.data is not None
    assert plan.scaling is not None
    rows, kind = plan.data.inputs(plan.data.validation), plan.data.answers(plan.data.validation)
    unit = plan.scaling.inputs_to_unit(plan.topology.to_model(rows))
    logits = forward(model, tf.constant(unit), tf.constant(rows.lengths))
    losses = keras.losses.sparse_categorical_crossentropy(kind, logits, from_logits=True)
    assert np.mean(losses) == pytest.approx(min(each.validation_loss or np.inf for each in progress), rel=1e-4)


def test_a_step_equals_one_of_keras() -> None:
    """The same gradients, clipped and applied alike, up to the order of float32 sums."""
    data = forecast_data(np.cumsum(np.random.default_rng(1).normal(0, 1, (60, 2)), axis=0), 8, 2)
    data = replace(data, train=Side(*(part[:16] for part in data.train)))
    plan = plan_of(data, epochs=5, batch=16, scaling="standard", layers=2)
    model, progress = trained(plan)
    reference = build(plan.network, plan.length, 1)
    assert plan.scaling is not None
    assert isinstance(plan.recipe.name, str)
    rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, plan.steps)
    optimiser = keras.optimizers.Adam(rate, global_clipnorm=plan.recipe.clip)  # type: ignore[union-attr]
    reference.compile(optimizer=optimiser, loss="mae")
    inputs = data.inputs(data.train).values.reshape(16, 8, 2)
    unit, targets = plan.scaling.inputs_to_unit(inputs), plan.scaling.targets_to_unit(data.answers(data.train), inputs)
    history = reference.fit(unit, targets, epochs=5, batch_size=16, shuffle=False, verbose=0).history
    for ours, theirs in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose([each.loss for each in progress], history["loss"], rtol=1e-4)


@pytest.mark.parametrize("topology", ["one_to_one", "many_to_many"])
def test_each_step_of_ragged_rows_has_an_answer(topology: str) -> None:
    rng = np.random.default_rng(1)
    rows = [rng.normal(0, 1, (int(length), 1)) for length in rng.integers(1, 7, 60)]
    data = with_validation(rows_data("regress", rows, 100 + 7 * np.concatenate(rows), per_step=True))
    _, progress = trained(plan_of(data, topology, epochs=60, learning_rate=2e-2))
    errors = [each.validation_metric for each in progress if each.validation_metric is not None]
    assert errors[-1] < 0.2 * errors[0]  # in the user's units
    assert errors[0] == pytest.approx(5, abs=3)


def test_windows_forecast_in_the_users_units() -> None:
    steps = np.arange(300)
    series = (1e4 + 3 * steps + 5 * np.sin(steps / 2))[:, None]
    data = with_validation(forecast_data(series, 12, 3))
    plan = plan_of(data, epochs=60, batch=32, learning_rate=1e-2, units=16)
    assert plan.scaling is not None
    assert plan.scaling.kind == "window"
    _, progress = trained(plan)
    assert progress[-1].validation_metric is not None
    assert progress[-1].validation_metric < 2.0  # repeating the last step errs by 6 and more


def unlearnable() -> Dataset:
    rng = np.random.default_rng(1)
    rows = [rng.normal(0, 1, (4, 2)) for _ in range(60)]
    return with_validation(rows_data("classify", rows, rng.integers(2, size=60), classes=2))


def test_patience_ends_training_with_the_best_weights() -> None:
    plan = plan_of(unlearnable(), epochs=200, patience=5, learning_rate=3e-2)
    model = build(plan.network, plan.length, 1)
    adam = adam_of(model)
    progress, weights = [], []
    for each in fit(model, plan, adam):
        progress.append(each)
        weights.append(model.get_weights())
    losses = [each.validation_loss for each in progress if each.validation_loss is not None]
    best = int(np.argmin(losses))
    assert len(losses) == best + 6 < 200
    assert same(model.get_weights(), weights[best])
    assert list(fit(model, plan, adam)) == []  # it has ended
    assert same(model.get_weights(), weights[best])


def test_without_patience_every_step_is_trained_and_the_last_weights_stay() -> None:
    plan = replace(plan_of(unlearnable(), epochs=20, learning_rate=3e-2), patience=None)
    model = build(plan.network, plan.length, 1)
    adam = adam_of(model)
    progress = list(fit(model, plan, adam))
    assert progress[-1].step == plan.steps
    losses = [each.validation_loss for each in progress if each.validation_loss is not None]
    assert losses[-1] > min(losses)
    assert adam.best.loss == math.inf


def test_a_restored_state_leads_to_the_same_weights_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, from the middle of an epoch too, and through the epochs that wait for a better loss."""
    monkeypatch.setattr(epochs, "CHUNK", 4)
    plan = plan_of(kinds(noise=2.0), epochs=30, dropout=0.2, patience=6, layers=2, learning_rate=3e-2)
    undisturbed = build(plan.network, plan.length, 1)
    adam = adam_of(undisturbed)
    states = [(each, adam.state()) for each in fit(undisturbed, plan, adam)]
    assert states[-1][0].step < plan.steps
    first = states[0][0]
    assert (first.step, first.validation_loss) == (4, None)  # an epoch has 6 steps
    for each, state in (states[0], states[-4], states[-1]):
        resumed = build(plan.network, plan.length, 2)  # other weights, replaced by the state
        again = adam_of(resumed)
        again.restore(each.step, [array.copy() for array in state])
        rest = list(fit(resumed, plan, again))
        assert same(resumed.get_weights(), undisturbed.get_weights())
        assert same(again.state(), adam.state())
        assert [other.validation_loss for other in rest] == [
            other.validation_loss for other, _ in states if other.step > each.step
        ]


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    data = kinds()
    first, again, other = (trained(plan_of(data, seed=seed))[0].get_weights() for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)  # the same weights at first, in another order of rows


def test_rows_of_very_different_lengths_train_too() -> None:
    rng = np.random.default_rng(1)
    classes = rng.integers(2, size=80)
    lengths = np.where(np.arange(80) == 9, 300, 5)
    rows = [rng.normal(kind, 0.3, (int(length), 1)) for kind, length in zip(classes, lengths, strict=True)]
    data = with_validation(rows_data("classify", rows, classes, classes=2))
    _, progress = trained(plan_of(data, epochs=15, learning_rate=2e-2))
    assert progress[-1].metric == 1.0


def test_a_loss_that_is_not_finite_ends_the_run_at_once_with_a_sentence() -> None:
    wanted = r"the loss is not finite at step [2-9]\. Try a lower --learning-rate than 1e\+38, and look for outliers"
    with pytest.raises(Diverged, match=wanted):
        trained(plan_of(kinds(), learning_rate=1e38))


def test_class_weights_raise_the_answers_of_a_rare_class() -> None:
    rng = np.random.default_rng(1)
    classes = (np.arange(90) % 9 == 0).astype(np.int64)
    rows = [rng.normal(0.5 * kind, 1, (4, 1)) for kind in classes]
    data = with_validation(rows_data("classify", rows, classes, classes=2))
    found = []
    for weighted in (False, True):
        model, _ = trained(plan_of(data, class_weights=weighted, epochs=20))
        found.append(np.mean(model(data.values[: 4 * 60].reshape(60, 4, 1)).numpy().argmax(1)))
    assert found[0] < 0.1
    assert found[1] > 0.2
