"""Train one network: a loop of optimiser steps inside one compiled function, with a word from time to time.

    for progress in fit(model, plan): print(progress.step, progress.loss)

Nothing is stepped from Python: a chunk of steps is one call. Rows come from TensorFlow's counter-based generator, keyed
by (seed, step), so a run is a function of its plan: same seed, same machine, same weights.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from training.data import tutorial_sequence
from training.recipes import Plan

CHUNK = 500
"""Steps per call: about 0.1 s, so that progress is seen and Ctrl-C is heard."""


class Progress(NamedTuple):
    step: int
    steps: int
    loss: float  # mean squared error over the last chunk
    learning_rate: float
    seconds: float  # since the start, compilation included


def fit(model: keras.Model, plan: Plan) -> Iterator[Progress]:
    """Train `model` in place by `plan`; yields after every chunk of steps."""
    rate = plan.recipe.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(rate, plan.steps) if plan.recipe.cosine else rate
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(model.trainable_variables)
    variables = [variable.value for variable in model.trainable_variables]

    # TensorFlow's while loop inside the compiled function: one call, `count` steps.
    @tf.function(jit_compile=True)
    def run_steps(start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        total = tf.zeros(())
        for offset in tf.range(count):
            inputs, targets = batch(plan, start + offset)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(inputs, training=True) - targets))
            optimizer.apply(tape.gradient(loss, variables), model.trainable_variables)
            total += loss
        return total / tf.cast(count, tf.float32)

    begun = time.monotonic()
    for start in range(0, plan.steps, CHUNK):
        count = min(CHUNK, plan.steps - start)
        loss = float(run_steps(tf.constant(start), tf.constant(count)))
        yield Progress(start + count, plan.steps, loss, float(optimizer.learning_rate), time.monotonic() - begun)


def batch(plan: Plan, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Inputs and targets of one step, in the model's own shapes: an echo, so the same values."""
    if plan.recipe.one_sequence:
        rows = tf.constant(tutorial_sequence(plan.length))[None]  # (1, length)
    else:
        shape = (plan.recipe.batch, plan.length)
        drawn = tf.random.stateless_uniform(shape, tf.stack([plan.seed, step]), alg="philox")
        rows = plan.recipe.domain.low + drawn * (plan.recipe.domain.high - plan.recipe.domain.low)
    if plan.topology.name == "one_to_one":
        samples = tf.reshape(rows, (-1, 1))  # (items, 1)
        return samples[..., None], samples
    return rows[..., None], rows[..., None] if plan.topology.return_sequences else rows


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callable[[Progress], None]]:
    """Write progress where `tensorboard --logdir runs` finds it."""
    writer = tf.summary.create_file_writer(str(folder))

    def write(progress: Progress) -> None:
        with writer.as_default(step=progress.step):
            tf.summary.scalar("loss", progress.loss)
            tf.summary.scalar("learning_rate", progress.learning_rate)

    try:
        yield write
    finally:
        writer.close()
