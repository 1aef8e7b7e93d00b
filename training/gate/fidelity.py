"""Whether all ways to compute an answer agree: Keras, the SavedModel, its translation; whole, in a batch, step by step."""

import math
from collections.abc import Iterator
from itertools import product

import keras
import numpy as np
import tensorflow as tf

from contract.manifest import Figure
from contract.rows import Floats, Rows
from training import networks
from training.gate.exported import FAILURES, Exported, Translated, worse
from training.plan import Plan
from training.sequences.generated import random_steps

GRID = (1, 2, 3, 5, 6, 7, 8)
"""Batches and lengths of the comparison with Keras: a batch below, at and above the length, and 1."""
EAGER_STEPS = 100
"""Longest row that Keras computes, which takes it half a millisecond a step."""
SINGLE_STEPS = 2_000
"""Most single steps of the comparison with whole sequences."""


def exported_figures(exported: Exported, model: keras.Model, plan: Plan) -> Iterator[Figure]:
    """The figures of the SavedModel."""
    yield Figure(name="export against Keras", value=_against_keras(exported, model, plan), bar=plan.same)
    yield Figure(name="alone against in a batch", value=_company(exported, plan), bar=plan.same)
    if plan.topology.return_sequences:
        yield Figure(name="step against whole sequence", value=_by_steps(exported, exported, plan), bar=plan.same)


def translated_figures(exported: Exported, translated: Translated, model: keras.Model, plan: Plan) -> Iterator[Figure]:
    """The figures of the ONNX graphs."""
    yield Figure(name="ONNX against SavedModel", value=_whole_translation(exported, translated, plan), bar=plan.same)
    if plan.topology.return_sequences:
        steps = _by_steps(translated, exported, plan)
        yield Figure(name="ONNX against SavedModel, step by step", value=steps, bar=plan.same)
    if translated.pack > 1:
        yield Figure(name="ONNX against SavedModel, packed", value=_packed(exported, translated, plan), bar=plan.same)
    if not (plan.scaling and plan.scaling.kind == "window"):  # such a graph takes no single step
        state = _any_state(translated, model, plan)
        yield Figure(name="ONNX against Keras, a step from any state", value=state, bar=plan.same)
    yield Figure(name="ONNX, alone against in a batch", value=_company(translated, plan), bar=0)


def _against_keras(exported: Exported, model: keras.Model, plan: Plan) -> float:
    """Largest difference over the grid; infinite where the SavedModel fails or answers in another shape."""
    sizes = list(product(GRID, GRID if plan.any_length else (plan.length,)))
    if plan.any_length and plan.task != "echo":
        sizes.append((3, min(plan.length, EAGER_STEPS)))
    worst = 0.0
    for batch, length in sizes:
        for rows in _batches(plan, batch, length, ragged=networks.takes_lengths(plan.network) and batch == max(GRID)):
            wanted = _in_keras(model, rows, plan)
            try:
                given = exported.raw(plan.topology.to_model(rows), rows.lengths)
            except tf.errors.OpError:
                return math.inf
            worst = worse(worst, float(np.abs(given - wanted).max()) if given.shape == wanted.shape else math.inf)
    return worst


def _in_keras(model: keras.Model, rows: Rows, plan: Plan) -> Floats:
    """The Keras model's answer, computed eagerly: every axis is known, so TimeDistributed is correct.

    Ragged rows are computed one by one, without padding.
    """
    if rows.uniform is None:
        return np.concatenate([_in_keras(model, Rows(row, [len(row)]), plan) for row in rows.split()])
    inputs = plan.topology.to_model(rows)
    unit = inputs if plan.scaling is None else plan.scaling.inputs_to_unit(inputs)
    return _answer(model(unit, training=False), inputs, plan)


def _answer(outputs: tf.Tensor, inputs: Floats, plan: Plan) -> Floats:
    """The network's outputs in the user's units; of classes, their probabilities."""
    if plan.network.softmax:
        probabilities: Floats = tf.nn.softmax(outputs).numpy()
        return probabilities
    answer: Floats = outputs.numpy()
    return answer if plan.scaling is None else np.asarray(plan.scaling.outputs_from_unit(answer, inputs))


def _company(called: Exported | Translated, plan: Plan) -> float:
    """Largest difference between a row's answers alone and in a batch; infinite where the batch fails."""
    padded = plan.topology.return_sequences or networks.takes_lengths(plan.network)  # then all rows but one are
    lengths = list(range(1, 34)) if padded else [plan.length] * 33
    steps = [random_steps(plan.seed + number, 1, length, plan.features)[0] for number, length in enumerate(lengths)]
    together = Rows(np.concatenate(steps), lengths)
    try:
        answers = called(together, time=max(lengths))
        in_company = together.split(answers) if plan.topology.per_step else list(answers[:, None])
        alone = [called(Rows(row, [len(row)])) for row in steps]
        return _largest(zip(in_company, alone, strict=True))
    except FAILURES:  # the answer has another shape than the rows
        return math.inf


def _by_steps(stepping: Exported | Translated, exported: Exported, plan: Plan) -> float:
    """Largest difference between single steps with carried state and the SavedModel's answer to the whole sequence."""
    rows = random_steps(plan.seed, 3, min(2 * plan.length, SINGLE_STEPS), plan.features)  # (3, length, F)
    whole = exported.raw(rows)
    h = c = np.zeros((len(rows), plan.network.layers * plan.units), np.float32)
    worst = 0.0
    for time in range(rows.shape[1]):
        item, h, c = stepping.step(rows[:, time], h, c)
        right_shape = whole.shape == (*rows.shape[:2], plan.network.outputs)
        at_time = whole[:, time] if right_shape else np.full_like(item, np.nan)
        worst = worse(worst, float(np.abs(item - at_time).max()))
    return worst


def _whole_translation(exported: Exported, translated: Translated, plan: Plan) -> float:
    """Largest difference over the grid of batch and length, on the longest rows, and on ragged rows where allowed."""
    sizes = [*product(GRID, GRID if plan.any_length else (plan.length,)), (3, plan.highest_length)]
    if plan.any_length and plan.task != "echo":
        sizes.append((3, 2 * plan.length))  # longer than any training row
    worst = 0.0
    for batch, length in sizes:
        for rows in _batches(plan, batch, length, ragged=plan.any_length):
            worst = worse(worst, float(np.abs(translated(rows) - exported(rows)).max()))
    return worst


def _packed(exported: Exported, translated: Translated, plan: Plan) -> float:
    """Largest difference on rows that fill three packed rows, and one more."""
    steps = random_steps(plan.seed, 3 * translated.pack + 1, plan.length, plan.features)
    inputs = plan.topology.to_model(_rows(steps))
    return float(np.abs(translated.packed(inputs) - exported.raw(inputs)).max())


def _any_state(translated: Translated, model: keras.Model, plan: Plan) -> float:
    """Largest difference to Keras' cells after one step from random states: answer and next states."""
    rng = np.random.default_rng(plan.seed)
    inputs = random_steps(plan.seed, 8, 1, plan.features)  # (batch, 1, F)
    h, c = rng.uniform(-1, 1, (2, len(inputs), plan.network.layers * plan.units)).astype(np.float32)
    hidden = (inputs if plan.scaling is None else plan.scaling.inputs_to_unit(inputs))[:, 0]
    next_h, next_c = [], []
    before = (np.split(each, plan.network.layers, axis=1) for each in (h, c))
    for layer, *state in zip(networks.lstm_layers(model), *before, strict=True):
        hidden, (_, after) = layer.cell(hidden, state)
        next_h.append(hidden)
        next_c.append(after)
    answer = _answer(networks.head_of(model)(hidden), inputs[:, 0], plan)
    outputs, *after_state = translated.raw(inputs, [1] * len(inputs), h, c)
    wanted = (answer.reshape(outputs.shape), np.concatenate(next_h, axis=1), np.concatenate(next_c, axis=1))
    return _largest(zip((outputs, *after_state), wanted, strict=True))


def _largest(pairs: Iterator[tuple[Floats, Floats]]) -> float:
    """The largest difference of all pairs."""
    worst = 0.0
    for given, wanted in pairs:
        worst = worse(worst, float(np.abs(given - wanted).max()))
    return worst


def _batches(plan: Plan, batch: int, length: int, ragged: bool) -> list[Rows]:
    """Random rows; and, if asked for, the same rows cut to lengths 1, 2, 3, ..."""
    steps = random_steps(plan.seed + batch, batch, length, plan.features)
    if not ragged:
        return [_rows(steps)]
    cut = [row[: 1 + number % length] for number, row in enumerate(steps)]
    return [_rows(steps), Rows(np.concatenate(cut), [len(row) for row in cut])]


def _rows(steps: Floats) -> Rows:
    """(rows, length, F)."""
    return Rows(steps.reshape(-1, steps.shape[-1]), [steps.shape[1]] * len(steps))
