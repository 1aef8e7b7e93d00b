"""Train a network for a task: epochs of shuffled batches, each followed by the validation rows.

All steps between two reports are one call of a compiled function. Batches are shuffled by (seed, epoch), and dropout is drawn
by (seed, step). So the state between two steps (`Adam.state`) is all that a process needs to continue to the same weights.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import tensorflow as tf

from training.fitting import recurrence
from training.fitting.adam import Adam, rate_at
from training.fitting.batches import Batches, Order
from training.fitting.losses import NOTHING, Sums, balanced, sums
from training.fitting.progress import Diverged, Progress
from training.plan import Plan
from training.recipes import TaskRecipe
from training.sequences.dataset import Dataset, Side
from training.sequences.scaling import Scaling

CHUNK: Final = 500
"""Most steps of a call."""
WORK: Final = 10**10
"""Most additions and multiplications of a call: about half a second, so that progress shows and Ctrl-C works."""
VALIDATION_ROWS: Final = 10_000
"""Most validation rows that are tried after an epoch: their mean loss is then known to about 1 %."""


class _Fit(NamedTuple):
    """What every function here needs."""

    plan: Plan
    adam: Adam
    data: Dataset
    recipe: TaskRecipe
    scaling: Scaling


def fit_task(plan: Plan, adam: Adam) -> Iterator[Progress]:
    """As `training.fit.fit`. Validates at the end of each epoch, and at the end. Leaves the best weights in the model."""
    if plan.data is None or plan.scaling is None or not isinstance(plan.recipe, TaskRecipe):
        raise ValueError(f"expected a plan of a task, with data and a scaling; received one of recipe {plan.recipe.name}")
    begun = time.monotonic()
    if _ended(plan, adam):
        return
    this = _Fit(plan, adam, plan.data, plan.recipe, plan.scaling)
    taught = Batches(plan, plan.data, plan.data.train)
    train, longest = _training(this, taught), chunk_steps(plan, taught)
    validate = _validation(this, plan.data.validation.some(VALIDATION_ROWS))
    order, of_epoch = taught.order(plan.seed), 0
    while not _ended(plan, adam):
        step = int(adam.iterations)
        epoch, first = divmod(step, taught.number)
        if epoch != of_epoch:
            order, of_epoch = taught.order(plan.seed, epoch), epoch
        last = min(first + longest, taught.number, first + plan.steps - step)
        loss, metric = train(order, first, last)
        done = int(adam.iterations)
        if not math.isfinite(loss):
            raise Diverged(done, plan.learning_rate)
        on_validation: tuple[float, float] | tuple[None, None] = (None, None)
        if validate is not None and (last == taught.number or done == plan.steps):
            on_validation = validate()
            if not math.isfinite(on_validation[0]):
                raise Diverged(done, plan.learning_rate)
            if plan.patience is not None:
                adam.best.note(on_validation[0])
        if _ended(plan, adam):
            adam.best.put_back()
        rate = float(rate_at(plan, tf.constant(done)))
        yield Progress(done, plan.steps, loss, rate, time.monotonic() - begun, metric, *on_validation)


def chunk_steps(plan: Plan, batches: Batches) -> int:
    """Steps of a call."""
    network = plan.network
    per_cell = 4 * (2 * network.units * network.layers + network.features)
    work = 6 * plan.batch * batches.axes[-1] * network.units * per_cell
    return max(1, min(CHUNK, WORK // work))


def _ended(plan: Plan, adam: Adam) -> bool:
    return int(adam.iterations) >= plan.steps or (plan.patience is not None and adam.best.waited >= max(plan.patience, 1))


def _training(this: _Fit, batches: Batches) -> Callable[[Order, int, int], tuple[float, float]]:
    """A function that trains the batches from the `first` up to the `last` of an order, and returns their loss and metric."""
    plan, adam, of_rows = this.plan, this.adam, _sums_of(this, batches)

    def gradients(rows: tf.Tensor, axis: int, step: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            found = of_rows(rows, axis, tf.stack([plan.seed, step]) if plan.network.dropout else None)
            loss = found.loss / tf.maximum(found.weight, 1.0)
        return [*found, *tape.gradient(loss, adam.variables)]

    @tf.function(jit_compile=True, autograph=False)
    def run(order: Order, first: tf.Tensor, last: tf.Tensor) -> Sums:
        def one_step(at: tf.Tensor, total: Sums) -> tuple[tf.Tensor, Sums]:
            step = adam.iterations.read_value()
            branches = [lambda axis=axis: gradients(order.rows[at], axis, step) for axis in range(len(batches.axes))]
            found = branches[0]() if len(branches) == 1 else tf.switch_case(order.axes[at], branches)
            clipped, _ = tf.clip_by_global_norm(found[3:], this.recipe.clip)
            adam.apply(clipped, step, rate_at(plan, step))
            return at + 1, Sums(*(a + b for a, b in zip(total, found[:3], strict=True)))

        def going(at: tf.Tensor, total: Sums) -> tf.Tensor:
            return (at < last) & tf.math.is_finite(total.loss)  # the first step without a finite loss is the last

        total: Sums = tf.while_loop(going, one_step, (first, Sums(*map(tf.constant, NOTHING))))[1]
        return total

    return lambda order, first, last: _means(run(_tensors(order), tf.constant(first), tf.constant(last)))


def _validation(this: _Fit, side: Side) -> Callable[[], tuple[float, float]] | None:
    """A function that returns loss and metric of a side's rows; None where it has none."""
    if not len(side):
        return None
    batches = Batches(this.plan, this.data, side)
    of_rows, order = _sums_of(this, batches), _tensors(batches.order(None))

    @tf.function(jit_compile=True, autograph=False)
    def run(order: Order) -> Sums:
        def one_batch(at: tf.Tensor, total: Sums) -> tuple[tf.Tensor, Sums]:
            branches = [lambda axis=axis: of_rows(order.rows[at], axis, None) for axis in range(len(batches.axes))]
            found = branches[0]() if len(branches) == 1 else tf.switch_case(order.axes[at], branches)
            return at + 1, Sums(*(a + b for a, b in zip(total, found, strict=True)))

        start = (tf.constant(0), Sums(*map(tf.constant, NOTHING)))
        total: Sums = tf.while_loop(lambda at, _: at < batches.number, one_batch, start)[1]
        return total

    return lambda: _means(run(order))


def _sums_of(this: _Fit, batches: Batches) -> Callable[[tf.Tensor, int, tf.Tensor | None], Sums]:
    """A function of rows (batch,), the number of their time axis, and a seed of dropout."""
    plan, adam, data, recipe, scaling = this
    weights = None
    if plan.class_weights and data.classes:
        weights = tf.constant(balanced(data.answers(data.train).astype(np.int64), len(data.classes)))

    def of_rows(rows: tf.Tensor, axis: int, seed: tf.Tensor | None) -> Sums:
        batch = batches.gather(rows, batches.axes[axis])
        unit = scaling.inputs_to_unit(batch.inputs)
        answers = recurrence.outputs(plan.network, adam.variables, unit, batch.lengths, seed)
        return sums(answers, batch, recipe.loss, scaling, weights)

    return of_rows


def _tensors(order: Order) -> Order:
    return Order(tf.constant(order.rows, tf.int64), tf.constant(order.axes))


def _means(found: Sums) -> tuple[float, float]:
    loss, metric, weight = map(float, found)
    return loss / max(weight, 1.0), metric / max(weight, 1.0)
