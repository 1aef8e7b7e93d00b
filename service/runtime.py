"""A SavedModel as something to call: arrays in, arrays out. The only TensorFlow in `service/`.

The exported signature takes any shape and is slow: 0.5 ms a call, 15 ms for a row of 1000. Compiled by XLA for one shape it
takes a tenth to a fortieth of that (../benchmarks/RESULTS.md), so every shape in `buckets` is compiled once: the usual ones
before the model is served, the others in the background when they are first asked for, and the signature answers meanwhile.
"""

import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contract.topologies import Floats, Topology
from service import memory, metrics
from service.buckets import ROWS, TILE, TIMES, Bucket, bucket_for

logger = logging.getLogger(__name__)
Compiled = Callable[..., tuple[Floats, ...]]
USUAL_ROWS = (2, 32)
"""Compiled before a model is served: a lone request, and a tile, of which larger calls can be made meanwhile."""
NEXT_ROWS = (64, 128)
"""Compiled right after, in the background; and the usual ones for rows of different lengths."""


def _log_failure(compiling: "Future[None]") -> None:
    if (error := compiling.exception()) is not None:
        logger.error("compiling failed, and what is uncompiled answers instead", exc_info=error)


def _tensorflow() -> Any:
    """TensorFlow, imported when first asked for and without Keras.

    Not at the module's top: BentoML's supervising process imports the service too, and would pay 500 MB for it. A SavedModel
    needs no Keras, which TensorFlow imports where it can: half a second and 100 MB, with pandas where that is installed.
    """
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        import tensorflow  # noqa: PLC0415

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # what the import system takes for "cannot be imported"
    try:
        import tensorflow  # noqa: PLC0415
    finally:
        del sys.modules["keras"]
    return tensorflow


def use_threads(number: int) -> None:
    """Threads of one model call, for this process; before the first model is loaded."""
    tf = _tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.threading.set_inter_op_parallelism_threads(number)


class Runtime(Protocol):
    """A model that can be run."""

    def predict(self, inputs: Floats) -> Floats:
        """`Topology.to_model(rows)`, of a time in `buckets` and at most `most_rows`, -> what `Topology.from_model` takes."""

    def predict_long(self, row: Floats) -> Floats:
        """(items,) -> (items,) for one row beyond the longest time; for topologies that carry state only."""

    def seconds(self, rows: int, time: int) -> float:
        """How long `predict` is expected to take, from how long it took."""

    def serve(self) -> None:
        """From now on compile in the background what is asked for; before, that would only slow the other models' loading."""


class SavedModel:
    """The exported signatures, and what was compiled of them so far. `labels` are those of `metrics.MODEL`."""

    def __init__(self, folder: Path, topology: Topology, length: int, labels: tuple[str, str]) -> None:
        self._compilations, self._compile_seconds = (
            metrics.compilations.labels(*labels),
            metrics.compile_seconds.labels(*labels),
        )
        self._computed = metrics.computed_items.labels(*labels)
        self._calls, self._uncompiled_calls = (metrics.model_calls.labels(*labels, kind) for kind in ("compiled", "uncompiled"))
        self._tf = tf = _tensorflow()
        self._loaded: Any = tf.saved_model.load(str(folder))  # keeps the signatures' variables alive
        self._signature = self._loaded.signatures["serving_default"]
        self._step = self._loaded.signatures.get("step")
        self._compiled: dict[Bucket, Compiled] = {}
        self._long: Compiled | None = None
        self._wanted: dict[Bucket | str, Callable[[], None]] = {}
        self._serving = False
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._took: dict[Bucket, float] = {}  # seconds, smoothed
        self._least = ROWS[0]
        self._warm_up(1 if topology.name == "one_to_one" else length, ragged=topology.return_sequences)

    def predict(self, inputs: Floats) -> Floats:
        rows, time_ = inputs.shape[:2]
        begun = time.perf_counter()
        bucket = bucket_for(rows, time_, self._least)
        size = self._size_now(bucket)
        if size is None:
            outputs = self._uncompiled(inputs)
        else:
            pieces = [self._padded(inputs[start : start + size], Bucket(size, time_)) for start in range(0, rows, size)]
            outputs = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        took = time.perf_counter() - begun
        self._took[bucket] = 0.8 * self._took.get(bucket, took) + 0.2 * took
        return outputs

    def predict_long(self, row: Floats) -> Floats:
        if self._long is None:
            self._compile_soon("long", self._compile_long)
            return self._uncompiled(row[None, :, None])[0, :, 0]
        h = c = np.zeros((1, self._units), np.float32)
        values = np.empty_like(row)
        for start in range(0, len(row), TIMES[-1]):
            piece = row[start : start + TIMES[-1]]
            inputs = np.zeros((1, TIMES[-1], 1), np.float32)
            inputs[0, : len(piece), 0] = piece
            outputs, h, c = self._long(inputs, h, c)
            self._calls.inc()
            self._computed.inc(TIMES[-1])
            values[start : start + len(piece)] = outputs[0, : len(piece), 0]
        return values

    def seconds(self, rows: int, time: int) -> float:
        bucket = bucket_for(rows, time, self._least)
        return self._took.get(bucket, 1e-4 + 1e-7 * bucket.items)

    def serve(self) -> None:
        self._serving = True
        for compile_ in self._wanted.values():
            self._compiler.submit(compile_).add_done_callback(_log_failure)

    def settle(self) -> None:
        """Wait until every shape that was asked for so far is compiled."""
        self._compiler.submit(lambda: None).result()

    def _size_now(self, bucket: Bucket) -> int | None:
        """The rows of the compiled call to use: the bucket's own, else meanwhile a larger, else the largest there is."""
        if bucket in self._compiled:
            return bucket.rows
        self._compile_soon(bucket, partial(self._compile, bucket))
        sizes = sorted(there.rows for there in tuple(self._compiled) if there.time == bucket.time and there.rows > 1)
        return next((size for size in sizes if size >= bucket.rows), sizes[-1] if sizes else None)

    def _padded(self, inputs: Floats, bucket: Bucket) -> Floats:
        rows = len(inputs)
        if rows < bucket.rows:
            inputs = np.concatenate([inputs, np.zeros((bucket.rows - rows, bucket.time, 1), np.float32)])
        (outputs,) = self._compiled[bucket](inputs)
        self._calls.inc()
        self._computed.inc(bucket.items)
        return outputs[:rows]

    def _uncompiled(self, inputs: Floats) -> Floats:
        self._uncompiled_calls.inc()
        self._computed.inc(inputs.size)
        (outputs,) = self._signature(sequences=self._tf.constant(inputs)).values()
        return np.asarray(outputs)

    def _warm_up(self, time_: int, ragged: bool) -> None:
        """Compile the usual shapes side by side, and find the fewest rows that are computed as a whole tile is."""
        usual = [Bucket(rows, time_) for rows in USUAL_ROWS]
        with ThreadPoolExecutor(len(usual)) as pool:
            list(pool.map(self._compile, usual))
        self._least = self._find_least(time_)
        for bucket in [
            *(Bucket(rows, time_) for rows in NEXT_ROWS),
            *(Bucket(rows, TIMES[0]) for rows in USUAL_ROWS if ragged),
        ]:
            self._compile_soon(bucket, partial(self._compile, bucket))

    def _find_least(self, time_: int) -> int:
        probe = np.random.default_rng(0).random((TILE, time_, 1), np.float32)
        tile = self._padded(probe, Bucket(TILE, time_))
        for least in ROWS[: ROWS.index(TILE)]:
            bucket = Bucket(least, time_)
            if bucket not in self._compiled:
                self._compile(bucket)
            if np.array_equal(self._padded(probe[:least], bucket), tile[:least]):
                return least
            del self._compiled[bucket]  # wide layers: few rows are multiplied in another way
        return TILE

    def _compile_soon(self, what: Bucket | str, compile_: Callable[[], None]) -> None:
        if what not in self._wanted:
            self._wanted[what] = compile_
            if self._serving:
                self._compiler.submit(compile_).add_done_callback(_log_failure)

    def _compile(self, bucket: Bucket) -> None:
        tf, tiles = self._tf, max(1, bucket.rows // TILE)

        def tile_by_tile(inputs: Any) -> Any:
            if tiles == 1:
                return self._only(self._signature(sequences=inputs))
            tiled = tf.reshape(inputs, (tiles, TILE, bucket.time, 1))
            outputs = tf.map_fn(lambda tile: self._only(self._signature(sequences=tile)), tiled)
            return tf.reshape(outputs, tf.concat([[bucket.rows], tf.shape(outputs)[2:]], 0))

        self._compiled[bucket] = self._compiled_call(tile_by_tile, (bucket.rows, bucket.time, 1))

    def _compile_long(self) -> None:
        """A piece of the longest time with the state before and after it, step by step from the `step` signature."""
        tf, units = self._tf, self._units

        def piece(inputs: Any, h: Any, c: Any) -> Any:
            outputs = tf.TensorArray(tf.float32, TIMES[-1], element_shape=(1, 1))

            def step(time_: Any, h: Any, c: Any, outputs: Any) -> Any:
                answer = self._step(item=inputs[:, time_], h=h, c=c)
                return time_ + 1, answer["h"], answer["c"], outputs.write(time_, answer["item"])

            state = (tf.constant(0), h, c, outputs)
            _, h, c, outputs = tf.while_loop(lambda time_, *_: time_ < TIMES[-1], step, state)
            return tf.transpose(outputs.stack(), (1, 0, 2)), h, c  # (1, time, 1)

        self._long = self._compiled_call(piece, (1, TIMES[-1], 1), (1, units), (1, units))

    def _compiled_call(self, function: Callable[..., Any], *shapes: tuple[int, ...]) -> Compiled:
        """`function` compiled for float32 arrays of these shapes, and run once."""
        begun = time.perf_counter()
        tf = self._tf
        specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
        concrete = tf.function(function, jit_compile=True, autograph=False).get_concrete_function(*specs)
        # The flat call leaves out the matching of arguments to a signature: 60 us instead of 107. DLPack hands arrays over
        # without a copy: 1 us instead of 9, and instead of 60 when the caches are cold.
        flat, captured, borrow = concrete.inference_fn.call_flat, concrete.captured_inputs, tf.experimental.dlpack.from_dlpack

        def call(*arrays: Floats) -> tuple[Floats, ...]:
            return tuple(tensor.numpy() for tensor in flat(*[borrow(array.__dlpack__()) for array in arrays], *captured))

        call(*(np.zeros(shape, np.float32) for shape in shapes))
        memory.trim()
        self._compilations.inc()
        self._compile_seconds.inc(time.perf_counter() - begun)
        return call

    @property
    def _units(self) -> int:
        return int(self._step.structured_input_signature[1]["h"].shape[1])

    @staticmethod
    def _only(outputs: dict[str, Any]) -> Any:
        (output,) = outputs.values()
        return output
