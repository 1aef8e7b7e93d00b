"""The exported files under test, called like in the service: rows in, answers out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf

from contract import translation
from contract.rows import Floats, Rows
from training import interrupts
from training.plan import Plan

PROVIDERS = ("CPUExecutionProvider",)
FAILURES = (tf.errors.OpError, ValueError, IndexError)
"""What a call raises where the graph fails, or answers in another shape than the rows."""


class Exported:
    """The SavedModel."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._loaded = tf.saved_model.load(str(folder))
        self._topology, self._outputs = plan.topology, plan.network.outputs
        self._whole = self._loaded.signatures["serving_default"]
        self._takes_lengths = "lengths" in self._whole.structured_input_signature[1]

    def __call__(self, rows: Rows, time: int | None = None) -> Floats:
        """(items, K), or (rows, K) for many_to_one. `time` pads on the right."""
        return self._topology.from_model(self.raw(self._topology.to_model(rows, time), rows.lengths), rows)

    def answers(self, rows: Rows) -> Floats:
        """Like a call, but NaN where the SavedModel fails or answers in another shape."""
        wanted = (len(rows.values) if self._topology.per_step else len(rows.lengths), self._outputs)
        try:
            found = self(rows)
        except FAILURES:
            return np.full(wanted, np.nan, np.float32)
        return found if found.shape == wanted else np.full(wanted, np.nan, np.float32)

    def raw(self, inputs: Floats, lengths: Sequence[int] | None = None) -> Floats:
        """(batch, time, F) -> (batch, time, K) or (batch, K). Rows have `lengths`, by default all of `time`."""
        interrupts.check()
        given = {"sequences": tf.constant(inputs)}
        if self._takes_lengths:
            every = [inputs.shape[1]] * len(inputs) if lengths is None else lengths
            given["lengths"] = tf.constant(np.asarray(every, np.int32))
        outputs: Floats = next(iter(self._whole(**given).values())).numpy()
        return outputs

    def step(self, item: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """(batch, F) and the state before, (batch, layers * units) -> (batch, K) and the state after."""
        answer = self._loaded.signatures["step"](item=tf.constant(item), h=tf.constant(h), c=tf.constant(c))
        return answer["item"].numpy(), answer["h"].numpy(), answer["c"].numpy()


class Translated:
    """The translation, in one call of any size. tests/service/runtime/ proves that calls may be cut."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        network = plan.network
        self._topology, self._state = plan.topology, network.layers * network.units
        has_packed = network.layers == 1 and not network.softmax and not (plan.scaling and plan.scaling.kind == "window")
        self.pack = translation.rows_packed(network.units) if has_packed else 1
        files = (translation.FILE, translation.PACKED) if self.pack > 1 else (translation.FILE,)
        self._sessions = {file: onnxruntime.InferenceSession(folder / file, providers=PROVIDERS) for file in files}

    def __call__(self, rows: Rows, time: int | None = None) -> Floats:
        """Like `Exported`."""
        inputs = self._topology.to_model(rows, time)
        lengths = [1] * len(inputs) if self._topology.name == "one_to_one" else rows.lengths
        return self._topology.from_model(self.raw(inputs, lengths)[0], rows)

    def raw(self, inputs: Floats, lengths: Sequence[int], h: Floats | None = None, c: Floats | None = None) -> list[Floats]:
        """Outputs and the state after the last step. The state before is zero by default."""
        zeros = np.zeros((len(inputs), self._state), np.float32)
        return self._run(translation.FILE, inputs, lengths, zeros if h is None else h, zeros if c is None else c)

    def step(self, item: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Like `Exported.step`."""
        outputs, h, c = self.raw(item[:, None], [1] * len(item), h, c)
        return outputs[:, 0], h, c

    def packed(self, inputs: Floats) -> Floats:
        """(batch, time, F) -> outputs of the packed graph."""
        packed = translation.pack(inputs, self.pack)
        state = np.zeros((len(packed), self.pack * self._state), np.float32)
        outputs, *_ = self._run(translation.PACKED, packed, [packed.shape[1]] * len(packed), state, state)
        return translation.unpack(outputs, self.pack, len(inputs))

    def _run(self, file: str, inputs: Floats, lengths: Sequence[int], *state: Floats) -> list[Floats]:
        interrupts.check()
        given = dict(zip(translation.INPUTS, (inputs, np.asarray(lengths, np.int32), *state), strict=True))
        answer: list[Floats] = self._sessions[file].run(translation.OUTPUTS, given)
        return answer


def worse(a: float, b: float) -> float:
    """The larger of two errors. NaN counts as larger than any number."""
    return b if not b <= a else a
