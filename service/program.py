"""What a SavedModel computes, apart from its weights: the signatures, and what was compiled of them so far.

The exported signature takes any shape and is slow: 0.5 ms a call, 15 ms for a row of 1000. Compiled by XLA for one shape it
takes less, of a long row a fortieth (../benchmarks/RESULTS.md), so every shape in `buckets` is compiled once: the usual ones
before the model is served, the others in the background when they are asked for; calls of other shapes, or the signature,
answer meanwhile.

Compiled code takes the weights as an argument. So versions that differ in their weights alone share a program: the next
one costs a few milliseconds, has every shape compiled that the last one had, and adds a few kilobytes.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contract.topologies import Floats, Topology
from service import memory, metrics
from service.buckets import LONG, ROWS, TILE, TIMES, Bucket, bucket_for, tiles
from service.graph import Call, Weights, tensorflow
from service.tallies import tallies

logger = logging.getLogger(__name__)
USUAL_ROWS = (2, 32)
"""Compiled before a model is served: a lone request, and a tile, of which larger calls can be made meanwhile."""
NEXT_ROWS = (128,)
"""Compiled right after, in the background; and the usual ones for rows of different lengths."""

OFTEN = 16
"""Times that a shape is asked for before it is compiled where a larger call, or fewer smaller ones, will do: they cost
a few hundredths more, and compiling costs half a second of a processor, which a moment's hiccup, and the one large batch after
it, is not worth."""


def _log_failure(compiling: "Future[None]") -> None:
    if (error := compiling.exception()) is not None:
        logger.error("compiling failed, and what is uncompiled answers instead", exc_info=error)


class Program:
    """`labels` are those of `metrics.MODEL`, for the version whose files it was loaded from."""

    def __init__(self, folder: Path, topology: Topology, length: int, labels: tuple[str, str]) -> None:
        tf = tensorflow()
        self._compilations, self._compile_seconds = (
            metrics.compilations.labels(*labels),
            metrics.compile_seconds.labels(*labels),
        )
        self._loaded: Any = tf.saved_model.load(str(folder))
        self._signature = self._loaded.signatures["serving_default"]
        self._step = self._loaded.signatures.get("step")
        self.variables: dict[str, Any] = {v.name.removesuffix(":0"): v for v in self._signature.variables}
        self._weights = Weights(self.variables, labels)
        time_ = None if topology.return_sequences else 1 if topology.name == "one_to_one" else length
        self._uncompiled = self._call(lambda inputs: self._only(self._signature(sequences=inputs)), (None, time_, 1), jit=False)
        self._compiled: dict[Bucket, Call] = {}
        self._long: Call | None = None
        self._wanted: dict[Bucket | str, Callable[[], None]] = {}
        self._asked: Counter[Bucket] = Counter()  # what is not compiled yet
        self._serving = False
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._took: dict[Bucket, float] = {}  # seconds a tile, smoothed
        self._least = ROWS[0]
        self._warm_up(1 if topology.name == "one_to_one" else length, ragged=topology.return_sequences)

    @property
    def compiled(self) -> frozenset[Bucket]:
        return frozenset(tuple(self._compiled))

    def compile(self, buckets: frozenset[Bucket]) -> bool:
        """Compile these here and now: those that the version before is asked for. Whether any was not compiled yet."""
        missing = {bucket_for(*bucket, self._least) for bucket in buckets} - self._compiled.keys()
        for bucket in missing:
            self._compile_once(bucket)
        return bool(missing)

    def predict(self, weights: Weights, inputs: Floats) -> Floats:
        rows, time_ = inputs.shape[:2]
        begun = time.perf_counter()
        bucket = bucket_for(rows, time_, self._least)
        size = self._size_now(bucket)
        if size is None:
            outputs = self._run_uncompiled(weights, inputs)
        else:
            pieces = [
                self._padded(weights, inputs[start : start + size], Bucket(size, time_)) for start in range(0, rows, size)
            ]
            outputs = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        took = (time.perf_counter() - begun) / tiles(rows)
        self._took[bucket] = 0.8 * self._took.get(bucket, took) + 0.2 * took
        return outputs

    def predict_long(self, weights: Weights, row: Floats) -> Floats:
        if self._long is None:
            self._compile_soon("long", self._compile_long)
            return self._run_uncompiled(weights, row[None, :, None])[0, :, 0]
        h = c = np.zeros((1, self._units), np.float32)
        values = np.empty_like(row)
        for start in range(0, len(row), LONG):
            piece = row[start : start + LONG]
            inputs = np.zeros((1, LONG, 1), np.float32)
            inputs[0, : len(piece), 0] = piece
            outputs, h, c = self._long(weights, inputs, np.full(1, len(piece), np.float32), h, c)
            tallies.add(weights.calls)
            tallies.add(weights.computed, len(piece))
            values[start : start + len(piece)] = outputs[0, : len(piece), 0]
        return values

    def seconds(self, rows: int, time: int) -> float:
        bucket = bucket_for(rows, time, self._least)
        took = self._took.get(bucket)
        return 1e-4 + 1e-7 * bucket.computed(rows) if took is None else tiles(rows) * took

    def serve(self) -> None:
        if self._serving:
            return
        self._serving = True
        for compile_ in tuple(self._wanted.values()):
            self._compiler.submit(compile_).add_done_callback(_log_failure)

    def settle(self) -> None:
        """Wait until every shape that was asked for so far is compiled."""
        self._compiler.submit(lambda: None).result()

    def _size_now(self, bucket: Bucket) -> int | None:
        """The rows of the compiled call to use: the bucket's own, else meanwhile a larger, else the largest there is."""
        if bucket in self._compiled:
            return bucket.rows
        sizes = sorted(there.rows for there in tuple(self._compiled) if there.time == bucket.time and there.rows > 1)
        self._asked[bucket] += 1
        if not sizes or self._asked[bucket] >= OFTEN or bucket.rows > OFTEN * sizes[-1]:
            self._compile_soon(bucket, partial(self._compile_once, bucket))
        return next((size for size in sizes if size >= bucket.rows), sizes[-1] if sizes else None)

    def _padded(self, weights: Weights, inputs: Floats, bucket: Bucket) -> Floats:
        rows = len(inputs)
        if rows < bucket.rows:
            inputs = np.concatenate([inputs, np.zeros((bucket.rows - rows, bucket.time, 1), np.float32)])
        number = [np.full(1, tiles(rows), np.float32)] if bucket.tiled else []
        (outputs,) = self._compiled[bucket](weights, inputs, *number)
        tallies.add(weights.calls)
        tallies.add(weights.computed, bucket.computed(rows))
        return outputs[:rows]

    def _run_uncompiled(self, weights: Weights, inputs: Floats) -> Floats:
        tallies.add(weights.uncompiled_calls)
        tallies.add(weights.computed, inputs.size)
        (outputs,) = self._uncompiled(weights, inputs)
        return outputs

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
            self._compile_soon(bucket, partial(self._compile_once, bucket))

    def _find_least(self, time_: int) -> int:
        probe = np.random.default_rng(0).random((TILE, time_, 1), np.float32)
        tile = self._padded(self._weights, probe, Bucket(TILE, time_))
        for least in ROWS[: ROWS.index(TILE)]:
            bucket = Bucket(least, time_)
            if bucket not in self._compiled:
                self._compile(bucket)
            if np.array_equal(self._padded(self._weights, probe[:least], bucket), tile[:least]):
                return least
            del self._compiled[bucket]  # wide layers: few rows are multiplied in another way
        return TILE

    def _compile_soon(self, what: Bucket | str, compile_: Callable[[], None]) -> None:
        if what not in self._wanted:
            self._wanted[what] = compile_
            if self._serving:
                self._compiler.submit(compile_).add_done_callback(_log_failure)

    def _compile_once(self, bucket: Bucket) -> None:
        if bucket not in self._compiled:
            self._compile(bucket)

    def _compile(self, bucket: Bucket) -> None:
        tf, shape = tensorflow(), (bucket.rows, bucket.time, 1)

        def whole(inputs: Any) -> Any:
            return self._only(self._signature(sequences=inputs))

        def tile_by_tile(inputs: Any, number: Any) -> Any:
            tiled = tf.reshape(inputs, (-1, TILE, bucket.time, 1))
            last, outputs = tf.cast(number[0], tf.int32), tf.TensorArray(tf.float32, bucket.rows // TILE)

            def step(tile: Any, outputs: Any) -> Any:
                return tile + 1, outputs.write(tile, whole(tiled[tile]))

            _, outputs = tf.while_loop(lambda tile, _: tile < last, step, (tf.constant(0), outputs))
            return outputs.concat()

        call = self._timed_call(tile_by_tile, shape, (1,)) if bucket.tiled else self._timed_call(whole, shape)
        self._compiled[bucket] = call

    def _compile_long(self) -> None:
        """A piece with the state before and after it, step by step from the `step` signature; `items` of it, (1,), are real."""
        tf, units = tensorflow(), self._units

        def piece(inputs: Any, items: Any, h: Any, c: Any) -> Any:
            last, outputs = tf.cast(items[0], tf.int32), tf.TensorArray(tf.float32, LONG, element_shape=(1, 1))

            def step(time_: Any, h: Any, c: Any, outputs: Any) -> Any:
                answer = self._step(item=inputs[:, time_], h=h, c=c)
                return time_ + 1, answer["h"], answer["c"], outputs.write(time_, answer["item"])

            state = (tf.constant(0), h, c, outputs)
            _, h, c, outputs = tf.while_loop(lambda time_, *_: time_ < last, step, state)
            return tf.transpose(outputs.stack(), (1, 0, 2)), h, c  # (1, time, 1)

        self._long = self._timed_call(piece, (1, LONG, 1), (1,), (1, units), (1, units))

    def _timed_call(self, function: Callable[..., Any], *shapes: tuple[int, ...]) -> Call:
        """`function` compiled for float32 arrays of these shapes, and run once, on ones: a loop takes one step."""
        begun = time.perf_counter()
        call = self._call(function, *shapes, jit=True)
        call(self._weights, *(np.ones(shape, np.float32) for shape in shapes))
        memory.trim()
        self._compilations.inc()
        self._compile_seconds.inc(time.perf_counter() - begun)
        return call

    def _call(self, function: Callable[..., Any], *shapes: tuple[int | None, ...], jit: bool) -> Call:
        return Call(function, shapes, self.variables, jit)

    @property
    def _units(self) -> int:
        return int(self._step.structured_input_signature[1]["h"].shape[1])

    @staticmethod
    def _only(outputs: dict[str, Any]) -> Any:
        (output,) = outputs.values()
        return output
