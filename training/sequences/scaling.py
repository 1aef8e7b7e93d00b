"""Converts between the user's units and the network's. Takes NumPy arrays and tensors.

domain      the domain of each feature becomes [0, 1), and so does that of each target
standard    each feature and each target has mean 0 and deviation 1 in the training rows
window      each row is scaled by its own mean and deviation, and the network's outputs are scaled back by them: reversible
            instance normalisation (Kim et al. 2022, https://openreview.net/forum?id=cGDAkQo1C0p). For rows of one length.

Targets that are no features, as in regress, are scaled to mean 0 and deviation 1 also beside `window`. Probabilities of
classes are not scaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np

from contract import manifest
from contract.manifest import Quantity
from contract.rows import Floats
from training.sequences.dataset import Dataset, Side

LEAST_SHARE: Final = 1e-3
"""Least deviation by which a row is divided, as a share of the feature's deviation in the training rows. A flat row has no
deviation of its own: dividing by it would turn rounding errors into signals."""
LEAST: Final = 1e-12
"""The same for a feature that is constant in all training rows."""
DEVIATIONS: Final = 8
"""Targets are within so many deviations of their mean. Only `rounding` assumes it."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The conversions before and after the network. They have no trained weights."""

    kind: manifest.Scaling
    low: Floats  # (F,): what becomes 0; for windows 0
    width: Floats  # (F,): what becomes 1; for windows the least deviation by which a row is divided, added as a square
    target_low: Floats | None  # (K,); None: the outputs are not scaled
    target_width: Floats | None  # (K,); where `columns` scale the outputs, the domain: `widest` and `rounding` need it
    columns: list[int]  # (K,): for windows, the feature of each output; empty where the outputs are no features

    def inputs_to_unit(self, sequences: Any) -> Any:
        """(batch, ..., F) -> the same shape."""
        if self.kind != "window":
            return (sequences - self.low) / self.width
        centred, deviation, _ = self._of_rows(sequences)
        return centred / deviation

    def targets_to_unit(self, targets: Any, sequences: Any) -> Any:
        """(batch, ..., K) -> the same shape. `sequences`: the inputs in the user's units, which windows need."""
        if self.columns:
            mean, deviation = self._of_outputs(sequences)
            return (targets - mean) / deviation
        return targets if self.target_low is None else (targets - self.target_low) / self.target_width

    def outputs_from_unit(self, outputs: Any, sequences: Any) -> Any:
        """The reverse of `targets_to_unit`."""
        if self.columns:
            mean, deviation = self._of_outputs(sequences)
            return outputs * deviation + mean
        return outputs if self.target_low is None else outputs * self.target_width + self.target_low

    @property
    def widest(self) -> float:
        """The largest range of an output, in the user's units, for one unit of the network. Probabilities: 1."""
        return 1.0 if self.target_width is None else float(self.target_width.max())

    @property
    def rounding(self) -> float:
        """The largest rounding error of float32 on the way out of the network's units: two steps at the largest target."""
        if self.target_low is None or self.target_width is None:
            return 0.0
        reach = self.target_width * np.float32(DEVIATIONS if self.kind == "standard" else 1)
        ends = self.target_low + reach, self.target_low - reach if self.kind == "standard" else self.target_low
        return 2 * float(np.spacing(np.float32(np.abs(ends).max())))

    def _of_rows(self, sequences: Any) -> tuple[Any, Any, Any]:
        """(batch, time, F) -> the rows less their means, their deviations and their means, each (batch, 1, F).

        Sums run over differences to the last step: they are small, so float32 loses nothing where a row lies far from 0.
        """
        last = sequences[:, -1:]
        away = sequences - last
        steps = np.float32(sequences.shape[1])
        mean = _sum(away) / steps
        centred = away - mean
        deviation = (_sum(centred * centred) / steps + self.width * self.width) ** np.float32(0.5)
        return centred, deviation, mean + last

    def _of_outputs(self, sequences: Any) -> tuple[Any, Any]:
        """The mean and the deviation of each output's feature in each row, (batch, K)."""
        _, deviation, mean = self._of_rows(sequences)
        return _columns(mean, self.columns), _columns(deviation, self.columns)


def scaling_of(data: Dataset, kind: str) -> Scaling:
    """The scaling that fits the training rows of `data`. Raises ValueError where the rows do not allow this kind."""
    match kind:
        case "domain":
            low, width = _domains(data.features)
            goals = data.features if data.task == "echo" else data.goals
            targets: Targets = (None, None) if data.classes else _each_step(data, _domains(goals))
            return Scaling("domain", low, width, *targets, [])
        case "standard":
            return Scaling("standard", *_moments(_taught(data)), *_of_targets(data), [])
        case "window":
            if data.per_step or data.uniform is None:
                raise ValueError("expected rows of one length, and one answer for each row; choose --scaling standard")
            _, deviation = _moments(_taught(data), constant=0.0)
            least = np.maximum(np.float32(LEAST_SHARE) * deviation, np.float32(LEAST))
            columns = data.target_columns * data.horizon if data.task == "forecast" else []
            targets = _each_step(data, _domains(data.goals)) if columns else _of_targets(data)
            return Scaling("window", np.zeros_like(least), least, *targets, columns=columns)
    raise ValueError(f"expected scaling domain, standard or window; received {kind}")


Targets = tuple[Floats | None, Floats | None]
"""What becomes 0 and what becomes 1, (K,) each; None: the outputs are not scaled."""


def _of_targets(data: Dataset) -> Targets:
    """Mean 0 and deviation 1 in the training rows."""
    if data.classes:
        return None, None
    if data.task == "forecast":  # the future of a feature has the feature's own scale
        return _each_step(data, _moments(_taught(data)[:, data.target_columns]))
    return _moments(data.answers(data.train))


def _each_step(data: Dataset, targets: tuple[Floats, Floats]) -> Targets:
    """(T,) -> (K,): a row's answer holds T numbers for each step of the horizon; that of an echo is the row."""
    if data.per_step:
        return targets
    times = data.facts.length if data.task == "echo" else data.horizon if data.task == "forecast" else 1
    return np.tile(targets[0], times), np.tile(targets[1], times)


def _taught(data: Dataset) -> Floats:
    """(items, F): each step that occurs in a training row, once."""
    taught: Floats = data.values[_covered(data.train, len(data.values))]
    return taught


def _covered(side: Side, items: int) -> Any:
    """(items,) bool. Overlapping rows must not cost their steps again: a million rows of stride 1 share theirs."""
    change = np.zeros(items + 1, np.int64)
    np.add.at(change, side.starts, 1)
    np.add.at(change, side.starts + side.lengths, -1)
    return np.cumsum(change[:-1]) > 0


def _domains(quantities: Sequence[Quantity]) -> tuple[Floats, Floats]:
    low = np.array([each.domain.low for each in quantities], np.float32)
    high = np.array([each.domain.high for each in quantities], np.float32)
    return low, high - low


def _moments(values: Any, constant: float = 1.0) -> tuple[Floats, Floats]:
    """(items, F) -> mean and deviation, (F,) each. `constant`: in place of the deviation of a constant feature."""
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64).astype(np.float32)
    flat = values.min(axis=0) == values.max(axis=0)  # rounding gives a constant a small deviation
    return mean.astype(np.float32), np.where(flat | (deviation == 0), np.float32(constant), deviation)


def _sum(values: Any) -> Any:
    """(batch, time, F) -> (batch, 1, F), by halves. NumPy and TensorFlow share slices and additions, but no name of a sum.

    `training/translation.py` adds in the same order.
    """
    odd = []
    while (steps := values.shape[1]) > 1:
        if steps % 2:
            odd.append(values[:, -1:])
        values = values[:, : steps // 2] + values[:, steps // 2 : steps - steps % 2]
    return reduce(add, odd, values)


def _columns(values: Any, columns: list[int]) -> Any:
    """(batch, 1, F) -> (batch, K). Products with 0 and 1 pick exactly."""
    picks = [(feature, (np.array(columns) == feature).astype(np.float32)) for feature in sorted(set(columns))]
    return reduce(add, [values[:, 0, feature : feature + 1] * pick for feature, pick in picks])
