"""Train one network: the loop of optimiser steps runs inside one compiled function that reports after each chunk.

    for progress in fit(model, plan): print(progress.step, progress.loss)

One call from Python does a chunk of steps. Rows come from TensorFlow's counter-based generator, keyed by (seed, step). So
the same plan on the same machine gives the same weights, to the last bit. The state between two steps is weights, moments
and the step (`Adam.state`). A process that restores the state continues to the same weights.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from training.fitting.adam import Adam, adam_of, rate_at
from training.fitting.epochs import fit_task
from training.fitting.progress import Diverged, Progress
from training.networks import as_os_error
from training.plan import Plan
from training.sequences.dataset import Dataset
from training.sequences.generated import tutorial_sequence

__all__ = ["Adam", "Diverged", "Progress", "adam_of", "fit", "tensorboard"]
CHUNK = 500
"""Steps per call: about 0.1 s, so that progress shows and Ctrl-C works."""
UNROLL_UP_TO = 16
"""Up to this length the LSTM is traced without its own loop: a step takes a third of the time."""


def fit(model: keras.Model, plan: Plan, adam: Adam | None = None) -> Iterator[Progress]:
    """Train `model` in place by `plan`; yields after every chunk of steps. A given `adam` continues from its step.

    Raises Diverged where the loss is not finite.
    """
    adam = adam or adam_of(model)
    return _fit_echo(model, plan, adam) if plan.goal is None else fit_task(plan, adam)


def _fit_echo(model: keras.Model, plan: Plan, adam: Adam) -> Iterator[Progress]:
    begun = time.monotonic()
    done = int(adam.iterations)
    if done == plan.steps:  # nothing left to train
        return

    # The end of a chunk is a tensor and the loop is TensorFlow's, so one trace serves every chunk.
    @tf.function(jit_compile=plan.echo.jit, autograph=False)
    def run_until(stop: tf.Tensor) -> tf.Tensor:
        def one_step(step: tf.Tensor, _loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inputs, targets = batch(plan, step)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(inputs, training=True) - targets))
            adam.apply(tape.gradient(loss, adam.variables), step, rate_at(plan, step))
            return step + 1, loss

        start = (adam.iterations.read_value(), tf.constant(0.0))
        return tf.while_loop(lambda step, _loss: step < stop, one_step, start)[1]

    with _unrolled(model, plan.length <= UNROLL_UP_TO):
        run_until.get_concrete_function(tf.TensorSpec((), tf.int32))
    for start in range(done, plan.steps, CHUNK):
        stop = min(start + CHUNK, plan.steps)
        loss = float(run_until(tf.constant(stop)))
        if not math.isfinite(loss):
            raise Diverged(stop, plan.learning_rate)
        yield Progress(stop, plan.steps, loss, float(rate_at(plan, tf.constant(stop))), time.monotonic() - begun)


def batch(plan: Plan, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Inputs and targets of one step, in the model's shapes and units."""
    inputs, targets = _rows(plan, step)
    if plan.topology.name == "one_to_one":
        inputs, targets = (tf.reshape(rows, (-1, 1)) for rows in (inputs, targets))  # (items, 1)
    return inputs[..., None], targets[..., None] if plan.topology.return_sequences else targets


def _rows(plan: Plan, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(rows, length), inputs and targets, in the network's units."""
    if plan.data is None or plan.scaling is None:
        one = plan.echo.one_sequence
        rows = tf.constant(tutorial_sequence(plan.length))[None] if one else _random_rows(plan, step, plan.batch)
        return rows, rows
    # Half of the rows are random: sunspots' held-out error after 4,000 steps is 0.3 %, against 6 % without.
    half = plan.batch // 2
    own = _own_rows(plan, plan.data, step, half)
    rows = tf.concat([own, _random_rows(plan, step, plan.batch - half)], 0)
    unit = plan.scaling.inputs_to_unit(rows[..., None])[..., 0]
    return unit, unit


def _own_rows(plan: Plan, data: Dataset, step: tf.Tensor, rows: int) -> tf.Tensor:
    """(rows, length), training rows, drawn uniformly."""
    with tf.init_scope():  # outside the graph, which would hold a copy
        values, starts = tf.constant(data.values[:, 0]), tf.constant(data.train.starts)
    seed = tf.stack([plan.seed, -1 - step])  # another stream than the random rows' stream
    drawn = tf.random.stateless_uniform((rows,), seed, 0, len(data.train), tf.int64, alg="philox")
    return tf.gather(values, tf.gather(starts, drawn)[:, None] + tf.range(plan.length, dtype=tf.int64))


def _random_rows(plan: Plan, step: tf.Tensor, rows: int) -> tf.Tensor:
    """(rows, length), drawn from slightly beyond the domain and clipped to it, so that edges occur often."""
    domain, margin = plan.domain, plan.echo.edge_margin
    drawn = tf.random.stateless_uniform((rows, plan.length), tf.stack([plan.seed, step]), -margin, 1.0 + margin, alg="philox")
    return domain.low + tf.clip_by_value(drawn, 0.0, 1.0) * (domain.high - domain.low)


@contextmanager
def _unrolled(model: keras.Model, wanted: bool) -> Iterator[None]:
    """Trace the LSTM without its own loop in this block. Afterwards the layer, and so the export, is unchanged."""
    lstm = model.get_layer("lstm")
    lstm.unroll = wanted
    try:
        yield
    finally:
        lstm.unroll = False


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callable[[Progress], None]]:
    """Write progress for `tensorboard --logdir runs`. Raises OSError where it cannot be written."""
    writer = tf.summary.create_file_writer(str(folder))

    def write(progress: Progress) -> None:
        with as_os_error(), writer.as_default(step=progress.step):
            for name in ("loss", "learning_rate", "metric", "validation_loss", "validation_metric"):
                if (value := getattr(progress, name)) is not None:
                    tf.summary.scalar(name, value)

    try:
        yield write
    finally:
        with as_os_error():
            writer.close()
