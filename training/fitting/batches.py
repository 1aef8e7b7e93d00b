"""Which rows are in which batch, and the batches as tensors.

A batch has the time axis of its longest row. XLA compiles each length of that axis, so there are at most three. A few long rows
then cost the other batches nothing. Rows that fill no batch of their own go with longer rows.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from contract.rows import Ints
from training.plan import Plan
from training.sequences.dataset import Dataset, Side

AXES: Final = 3
"""Most lengths of the time axis. Compiling one takes about a second."""
SHORTER: Final = 4
"""Each next axis is shorter by this factor, if at least half of the remaining rows fit into it."""
MOST_CELL_STEPS: Final = 2**25
"""Most rows * steps * units * layers of a batch: training keeps about 60 bytes for each, so 2 GB. Of a longer row a many_to_one
network is taught the last steps; others are taught its pieces, each from an empty state."""


class Order(NamedTuple):
    """The batches of one epoch."""

    rows: Ints  # (batches, batch): numbers of rows; -1: no row
    axes: npt.NDArray[np.int32]  # (batches,): which length of the time axis


class Batch(NamedTuple):
    inputs: tf.Tensor  # (batch, time, F), in the user's units; after a row's end its last step is repeated
    targets: tf.Tensor  # (batch, time, K) or (batch, K), in the user's units; classes without the last axis
    lengths: tf.Tensor  # (batch,) int32
    weights: tf.Tensor  # (batch, time) or (batch,): 1, and 0 for padding


class Batches:
    """The batches of one side of the split."""

    def __init__(self, plan: Plan, data: Dataset, side: Side) -> None:
        self._data, self._batch = data, plan.batch
        most = max(1, MOST_CELL_STEPS // (plan.batch * plan.units * plan.network.layers))
        side = _cut(side, most, data.per_step)
        self._lengths = side.lengths
        self.axes = time_axes(side.lengths, plan.batch)
        self.number = max(1, -(-len(side) // plan.batch))
        with tf.init_scope():  # outside the graph, which would hold a copy
            self._side = Side(*(tf.constant(array, tf.int64) for array in side))
            self._values = tf.constant(data.values)
            self._targets = None if data.targets is None else tf.constant(data.targets)

    def order(self, seed: int | None, epoch: int = 0) -> Order:
        """The rows of each batch in an epoch, shuffled by (seed, epoch); None: not shuffled."""
        rng = None if seed is None else np.random.default_rng([seed, epoch])
        rows = np.arange(len(self._lengths)) if rng is None else rng.permutation(len(self._lengths))
        batches, axes = [], []
        shortest = np.searchsorted(self.axes, self._lengths[rows])  # the first axis that is long enough
        left = rows[:0]
        for axis in range(len(self.axes)):
            mine = np.concatenate([left, rows[shortest == axis]])
            full = len(mine) if axis == len(self.axes) - 1 else len(mine) // self._batch * self._batch
            left = mine[full:]
            padded = np.concatenate([mine[:full], np.full(-full % self._batch, -1)])
            batches.append(padded.reshape(-1, self._batch))
            axes.append(np.full(len(batches[-1]), axis, np.int32))
        order = Order(np.concatenate(batches), np.concatenate(axes))
        if rng is None or len(self.axes) == 1:
            return order
        places = rng.permutation(len(order.axes))  # short rows do not always come first
        return Order(order.rows[places], order.axes[places])

    def gather(self, rows: tf.Tensor, time: int) -> Batch:
        """The batch of these rows (batch,), on a time axis of this length."""
        real, rows = rows >= 0, tf.maximum(rows, 0)
        starts, lengths, answers = (tf.gather(array, rows) for array in self._side)
        steps = tf.minimum(tf.range(time, dtype=tf.int64), lengths[:, None] - 1)  # (batch, time)
        weights = real
        if self._data.per_step:
            weights = real[:, None] & (tf.range(time, dtype=tf.int64) < lengths[:, None])
        return Batch(
            inputs=tf.gather(self._values, starts[:, None] + steps),
            targets=self._answers(starts, lengths, answers, steps),
            lengths=tf.cast(lengths, tf.int32),
            weights=tf.cast(weights, tf.float32),
        )

    def _answers(self, starts: tf.Tensor, lengths: tf.Tensor, answers: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """As `Dataset.answers`."""
        data = self._data
        if self._targets is not None:
            return tf.gather(self._targets, answers[:, None] + steps if data.per_step else answers)
        if data.per_step:
            return tf.gather(tf.gather(self._values, starts[:, None] + steps + 1), data.target_columns, axis=-1)
        ahead = (starts + lengths)[:, None] + tf.range(data.horizon, dtype=tf.int64)
        goals = tf.gather(tf.gather(self._values, ahead), data.target_columns, axis=-1)  # (batch, horizon, T)
        return tf.reshape(goals, (self._batch, data.horizon * len(data.target_columns)))


def time_axes(lengths: Ints, batch: int) -> list[int]:
    """The lengths of the time axis, the longest last."""
    axes = [int(lengths.max(initial=1))]
    while len(axes) < AXES:
        fitting = lengths[lengths <= axes[0] // SHORTER]
        rest = np.count_nonzero(lengths <= axes[0])
        if len(fitting) < max(batch, rest / 2):
            break
        axes.insert(0, int(fitting.max()))
    return axes


def _cut(side: Side, most: int, per_step: bool) -> Side:
    """The same rows with at most `most` steps."""
    if side.lengths.max(initial=0) <= most:
        return side
    if not per_step:
        gone = np.maximum(side.lengths - most, 0)
        return Side(side.starts + gone, side.lengths - gone, side.answers)
    pieces = -(-side.lengths // most)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # of each piece in its row
    starts, lengths, answers = (np.repeat(array, pieces) for array in side)
    return Side(starts + number * most, np.minimum(lengths - number * most, most), answers + number * most)
