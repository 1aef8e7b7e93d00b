"""The gate: decides whether a model may be published. It measures every figure on the exported files.

accuracy      held-out rows of the user's data, if any; except for a mapping: random rows, the edges of the domain, every
              length up to 256, and the highest
export        against the Keras model, over a grid of batch and length; parameters against the arithmetic
company       a row alone against the same row in a batch, and padded
step          the step endpoint, item by item, against the whole sequence
translation   the ONNX graph against the SavedModel: whole, ragged, step by step and from any state; and a row alone
              against the same row in a batch, which must be equal to the last bit
production    the held-out rows against the version in production, if the job asks for it
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from contract import translation
from contract.manifest import Figure
from contract.rows import Floats, Rows
from contract.topologies import Topology
from training import interrupts
from training.recipes import Plan
from training.sequences.generated import edge_rows, random_rows, tutorial_sequence

GRID = (1, 2, 3, 5, 6, 7, 8)
"""Batches and lengths of the comparison with Keras: a batch below, at and above the length, and 1."""
EVERY_LENGTH_TO = 256
"""Tries each length up to this one, then the highest: no length in between is special."""
HELD_OUT_ROWS = 20_000
PROVIDERS = ("CPUExecutionProvider",)
MARGIN = 0.1
"""A new version may be worse than production by this part of the bar: seeds of a recipe differ by as much."""


class Exported:
    """The SavedModel under test, called like in the service: rows in, values out."""

    def __init__(self, folder: Path, topology: Topology) -> None:
        self._loaded = tf.saved_model.load(str(folder))
        self._topology = topology

    def __call__(self, rows: Rows, time: int | None = None) -> Floats:
        return self._topology.from_model(self.raw(self._topology.to_model(rows, time)), rows)

    def raw(self, inputs: Floats) -> Floats:
        interrupts.check()
        outputs: Floats = next(iter(self._loaded.signatures["serving_default"](sequences=tf.constant(inputs)).values())).numpy()
        return outputs

    def step(self, item: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """(batch, 1) and the state before -> (batch, 1) and the state after."""
        answer = self._loaded.signatures["step"](item=tf.constant(item), h=tf.constant(h), c=tf.constant(c))
        return answer["item"].numpy(), answer["h"].numpy(), answer["c"].numpy()


class Translated:
    """The translation under test, in one call of any size. tests/service/runtime/ proves that calls may be cut."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._topology, self._units = plan.topology, plan.units
        self.pack = translation.rows_packed(plan.units)
        files = (translation.FILE, translation.PACKED) if self.pack > 1 else (translation.FILE,)
        self._sessions = {file: onnxruntime.InferenceSession(folder / file, providers=PROVIDERS) for file in files}

    def __call__(self, rows: Rows, time: int | None = None) -> Floats:
        inputs = self._topology.to_model(rows, time)
        lengths = rows.lengths if self._topology.return_sequences else [inputs.shape[1]] * len(inputs)
        return self._topology.from_model(self.raw(inputs, lengths)[0], rows)

    def raw(self, inputs: Floats, lengths: Sequence[int], h: Floats | None = None, c: Floats | None = None) -> list[Floats]:
        """Outputs and the state after the last step. The state before is zero by default."""
        zeros = np.zeros((len(inputs), self._units), np.float32)
        return self._run(translation.FILE, inputs, lengths, zeros if h is None else h, zeros if c is None else c)

    def step(self, item: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Like `Exported.step`."""
        outputs, h, c = self.raw(item[..., None], [1] * len(item), h, c)
        return outputs[:, 0], h, c

    def packed(self, inputs: Floats) -> Floats:
        """(batch, time, F) -> outputs of the packed graph."""
        packed = translation.pack(inputs, self.pack)
        state = np.zeros((len(packed), self.pack * self._units), np.float32)
        outputs, *_ = self._run(translation.PACKED, packed, [packed.shape[1]] * len(packed), state, state)
        return translation.unpack(outputs, self.pack, len(inputs))

    def _run(self, file: str, inputs: Floats, lengths: Sequence[int], *state: Floats) -> list[Floats]:
        interrupts.check()
        given = dict(zip(translation.INPUTS, (inputs, np.asarray(lengths, np.int32), *state), strict=True))
        answer: list[Floats] = self._sessions[file].run(translation.OUTPUTS, given)
        return answer


def judge(model: keras.Model, folder: Path, plan: Plan) -> Iterator[Figure]:
    """Yield each figure as it is measured. The model may be published if all pass."""
    exported = Exported(folder, plan.topology)
    expected = plan.topology.parameters(plan.units, plan.length).total
    yield Figure(name="parameters off the arithmetic", value=abs(model.count_params() - expected), bar=0)
    yield from _accuracy(exported, plan)
    yield _against_keras(exported, model, plan)
    yield Figure(name="alone against in a batch", value=_company(exported, plan), bar=plan.same)
    if plan.topology.return_sequences:
        yield Figure(name="step against whole sequence", value=_by_steps(exported, exported, plan), bar=plan.same)
    yield from judge_translation(model, folder, plan)


def judge_translation(model: keras.Model, folder: Path, plan: Plan) -> Iterator[Figure]:
    """The figures of the ONNX graphs only."""
    try:
        yield from _translation(Exported(folder, plan.topology), Translated(folder, plan), model, plan)
    except OSError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        yield Figure(name=f"ONNX against SavedModel ({type(error).__name__}: {error})"[:200], value=math.inf, bar=plan.same)


def _translation(exported: Exported, translated: Translated, model: keras.Model, plan: Plan) -> Iterator[Figure]:
    yield Figure(name="ONNX against SavedModel", value=_whole_translation(exported, translated, plan), bar=plan.same)
    if plan.topology.return_sequences:
        steps = _by_steps(translated, exported, plan)
        yield Figure(name="ONNX against SavedModel, step by step", value=steps, bar=plan.same)
    if translated.pack > 1:
        yield Figure(name="ONNX against SavedModel, packed", value=_packed(exported, translated, plan), bar=plan.same)
    yield Figure(name="ONNX against Keras, a step from any state", value=_any_state(translated, model, plan), bar=plan.same)
    yield Figure(name="ONNX, alone against in a batch", value=_company(translated, plan), bar=0)


def against_production(folder: Path, production: Path, plan: Plan) -> Figure:
    """Compares both exports on the held-out rows of `plan`, whatever production was trained on."""
    ours, theirs = (_held_out(Exported(each, plan.topology), plan) for each in (folder, production))
    measured = math.inf if math.isnan(theirs.value) else theirs.value  # NaN counts as the worst
    return Figure(name=f"{ours.name}, against production", value=ours.value, bar=measured + MARGIN * ours.bar)


def _held_out(exported: Exported, plan: Plan) -> Figure:
    if plan.recipe.one_sequence:
        error = _echo_error(exported, tutorial_sequence(plan.length)[None])
        return Figure(name="error, its one sequence", value=error, bar=plan.bars.random)
    if plan.data is not None:
        own = plan.data.held_out_rows(HELD_OUT_ROWS)
        return Figure(name="error, held-out rows", value=_error(exported, *own), bar=plan.bars.held_out)
    return _random(exported, plan)


def _random(exported: Exported, plan: Plan) -> Figure:
    rows = random_rows(plan.seed, HELD_OUT_ROWS, plan.length, plan.recipe.domain)
    return Figure(name=f"error, {_random_rows(plan)}", value=_echo_error(exported, rows), bar=plan.bars.random)


def _random_rows(plan: Plan) -> str:
    """The name of generated rows in figures: with the user's data, held-out rows are the user's."""
    return "held-out rows" if plan.data is None else "random rows"


def _accuracy(exported: Exported, plan: Plan) -> Iterator[Figure]:
    yield _held_out(exported, plan)
    if plan.recipe.one_sequence or plan.mapping:  # for other rows no right answer is known
        return
    if plan.data is not None:
        yield _random(exported, plan)
    for name, rows in edge_rows(plan.length, plan.recipe.domain):
        yield Figure(name=f"error, {name}", value=_echo_error(exported, rows), bar=plan.bars.edges)
    if plan.topology.any_length:
        yield from _every_length(exported, plan)


def _every_length(exported: Exported, plan: Plan) -> Iterator[Figure]:
    random = edges = 0.0
    for length in [*range(1, EVERY_LENGTH_TO + 1), plan.highest_length]:
        random = _worse(random, _echo_error(exported, random_rows(plan.seed, 8, length, plan.recipe.domain)))
        corners = np.concatenate([rows for _, rows in edge_rows(length, plan.recipe.domain)])
        edges = _worse(edges, _echo_error(exported, corners))
    lengths = f"1..{EVERY_LENGTH_TO}, {plan.highest_length}"
    yield Figure(name=f"error, {_random_rows(plan)}, {lengths}", value=random, bar=plan.bars.random)
    yield Figure(name=f"error, edges, {lengths}", value=edges, bar=plan.bars.edges)


def _against_keras(exported: Exported, model: keras.Model, plan: Plan) -> Figure:
    lengths = GRID if plan.topology.any_length else (plan.length,)
    worst = 0.0
    for batch, length in product(GRID, lengths):
        rows = Rows.of(list(random_rows(plan.seed + batch, batch, length, plan.recipe.domain)))
        inputs = plan.topology.to_model(rows)
        wanted = _in_keras(model, inputs, plan)
        try:
            given = exported.raw(inputs)
        except tf.errors.OpError:
            return Figure(name="export against Keras", value=math.inf, bar=plan.same)
        worst = _worse(worst, float(np.abs(given - wanted).max()) if given.shape == wanted.shape else math.inf)
    return Figure(name="export against Keras", value=worst, bar=plan.same)


def _in_keras(model: keras.Model, inputs: Floats, plan: Plan) -> Floats:
    """The Keras model's answer, computed eagerly: every axis is known, so TimeDistributed is correct."""
    if plan.scaling is None:
        answer: Floats = model(inputs, training=False).numpy()
        return answer
    unit = model(plan.scaling.inputs_to_unit(inputs), training=False).numpy()
    scaled: Floats = plan.scaling.outputs_from_unit(unit)
    return scaled


def _company(called: Exported | Translated, plan: Plan) -> float:
    """Largest difference between a row's answers alone and in a batch; infinite where the batch fails."""
    lengths = [plan.length] * 33
    if plan.topology.return_sequences:
        lengths = list(range(1, 34))  # all rows but one are padded
    rows = [random_rows(plan.seed + number, 1, length, plan.recipe.domain)[0] for number, length in enumerate(lengths)]
    together = Rows.of(rows)
    try:
        in_company = together.split(called(together, time=max(lengths)))
    except (tf.errors.OpError, ValueError, IndexError):  # the answer has another shape than the rows
        return math.inf
    worst = 0.0
    for row, beside_others in zip(rows, in_company, strict=True):
        worst = _worse(worst, float(np.abs(called(Rows.of([row])) - beside_others).max()))
    return worst


def _by_steps(stepping: Exported | Translated, exported: Exported, plan: Plan) -> float:
    """Largest difference between single steps with carried state and the SavedModel's answer to the whole sequence."""
    rows = random_rows(plan.seed, 3, 2 * plan.length, plan.recipe.domain)  # (3, length)
    whole = exported.raw(rows[..., None])
    h = c = np.zeros((len(rows), plan.units), np.float32)
    worst = 0.0
    for time in range(rows.shape[1]):
        item, h, c = stepping.step(rows[:, time, None], h, c)
        at_time = whole[:, time] if whole.shape == (*rows.shape, 1) else np.full((3, 1), np.nan)
        worst = _worse(worst, float(np.abs(item - at_time).max()))
    return worst


def _whole_translation(exported: Exported, translated: Translated, plan: Plan) -> float:
    """Largest difference over the grid of batch and length, on the longest rows, and on ragged rows where allowed."""
    topology, worst = plan.topology, 0.0
    sizes = [*product(GRID, GRID if topology.any_length else (plan.length,)), (3, plan.highest_length)]
    for batch, length in sizes:
        values = random_rows(plan.seed + batch, batch, length, plan.recipe.domain)
        ragged = [row[: 1 + number % length] for number, row in enumerate(values)]
        for rows in (Rows.of(list(values)), Rows.of(ragged)) if topology.any_length else (Rows.of(list(values)),):
            worst = _worse(worst, float(np.abs(translated(rows) - exported(rows)).max()))
    return worst


def _packed(exported: Exported, translated: Translated, plan: Plan) -> float:
    """Largest difference on rows that fill three packed rows, and one more."""
    rows = random_rows(plan.seed, 3 * translated.pack + 1, plan.length, plan.recipe.domain)
    inputs = plan.topology.to_model(Rows.of(list(rows)))
    return float(np.abs(translated.packed(inputs) - exported.raw(inputs)).max())


def _any_state(translated: Translated, model: keras.Model, plan: Plan) -> float:
    """Largest difference to Keras' cell after one step from random states: answer and next states."""
    rng = np.random.default_rng(plan.seed)
    inputs = random_rows(plan.seed, 8, 1, plan.recipe.domain)[..., None]  # (batch, 1, 1)
    h, c = rng.uniform(-1, 1, (2, len(inputs), plan.units)).astype(np.float32)
    unit = inputs if plan.scaling is None else plan.scaling.inputs_to_unit(inputs)
    hidden, (_, next_c) = model.get_layer("lstm").cell(unit[:, 0], [h, c])
    head = model.layers[-1]
    answer = (head.layer if isinstance(head, keras.layers.TimeDistributed) else head)(hidden).numpy()
    scaled = answer if plan.scaling is None else plan.scaling.outputs_from_unit(answer)
    outputs, *state = translated.raw(inputs, [1] * len(inputs), h, c)
    wanted = (scaled.reshape(outputs.shape), hidden.numpy(), next_c.numpy())
    worst = 0.0
    for given, want in zip((outputs, *state), wanted, strict=True):
        worst = _worse(worst, float(np.abs(given - want).max()))
    return worst


def _echo_error(exported: Exported, sequences: Floats) -> float:
    return _error(exported, sequences, sequences)


def _error(exported: Exported, inputs: Floats, targets: Floats) -> float:
    """Largest |output - target|; infinite where the answer has another shape than the rows."""
    rows = Rows(inputs.reshape(-1), [inputs.shape[1]] * len(inputs))
    try:
        values = exported(rows)
    except tf.errors.OpError:
        return math.inf
    return float(np.abs(values - targets.reshape(-1)).max()) if values.shape == rows.values.shape else math.inf


def _worse(a: float, b: float) -> float:
    """The larger of two errors. NaN counts as larger than any number."""
    return b if not b <= a else a
