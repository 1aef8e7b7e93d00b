"""Metrics of answers, each a function of sums over rows: so the sums of resampled rows give the metric of the sample.

    mae, mape, mase     means of |e|, |e / y|, |e| / scale (Hyndman and Koehler 2006, https://robjhyndman.com/papers/mase.pdf)
    rmse                the root of the mean of e^2
    r2                  1 - sum of e^2 / sum of (y - mean of y)^2
    accuracy            the share of right classes
    balanced_accuracy   the mean over classes of the share of right answers among the class's own
    f1                  the mean over classes of 2 TP / (2 TP + FP + FN)
    log_loss            the mean of -log p, where p is the probability of the right class, at least 1e-7

Several targets: the metric of each, then their mean. Each is scikit-learn's definition with average "uniform_average" or
"macro" (https://scikit-learn.org/stable/modules/model_evaluation.html). A class that is absent does not count.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from contract.manifest import HIGHER_IS_BETTER, Metric
from contract.rows import Floats, Ints

Doubles = npt.NDArray[np.float64]
HIGHER: Final = HIGHER_IS_BETTER
OF_NUMBERS: Final[frozenset[Metric]] = frozenset({"mae", "rmse", "mape", "mase", "r2"})
OF_CLASSES: Final[frozenset[Metric]] = frozenset({"accuracy", "balanced_accuracy", "f1", "log_loss"})
LEAST_PROBABILITY: Final = 1e-7


def sums_of_numbers(metric: Metric, right: Floats, given: Floats, units: Ints, scales: Doubles) -> Doubles:
    """(units, q): the sums that `value_of` takes, by unit. `units` (answers,) ascends from 0 without gaps.

    `right` and `given` are (answers, K): the T targets of one step, then those of the next. `scales` (T,) are those of mase.
    """
    targets = len(scales)
    y = right.astype(np.float64).reshape(len(right), -1, targets)  # (answers, steps, T)
    e = given.astype(np.float64).reshape(y.shape) - y
    if metric in ("mae", "mape", "mase"):
        parts = [np.abs(e) / (np.abs(y) if metric == "mape" else scales if metric == "mase" else 1.0)]
    elif metric == "rmse":
        parts = [e**2]
    else:
        y = y - y.mean(axis=(0, 1))  # a shift changes no spread, and keeps digits
        parts = [e**2, y, y**2]
    counts = np.full((len(right), 1), y.shape[1], np.float64)
    terms = np.concatenate([*(part.sum(axis=1) for part in parts), counts], axis=1)
    starts = np.flatnonzero(np.diff(units, prepend=-1))
    sums: Doubles = np.add.reduceat(terms, starts, axis=0)
    return sums


def sums_of_classes(metric: Metric, right: Ints, given: Floats, units: Ints) -> Doubles:
    """(units, q): as `sums_of_numbers`. `right` is (answers,), `given` (answers, C): probabilities."""
    number, classes = int(units[-1]) + 1, given.shape[1]
    if metric == "log_loss":
        p = given[np.arange(len(right)), right].astype(np.float64)
        terms = -np.log(np.clip(p, LEAST_PROBABILITY, 1.0))
        return np.stack([np.bincount(units, terms, number), np.bincount(units, minlength=number)], axis=1)
    chosen = given.argmax(axis=1)
    hit = chosen == right
    if metric == "accuracy":
        return np.stack([np.bincount(units, hit, number), np.bincount(units, minlength=number)], axis=1)

    def by_class(each: Ints, which: npt.NDArray[np.bool_] | slice = slice(None)) -> Doubles:
        counts = np.bincount(units[which] * classes + each[which], minlength=number * classes)
        return counts.reshape(number, classes).astype(np.float64)

    parts = [by_class(right, hit), by_class(right)]
    return np.concatenate([*parts, by_class(chosen)] if metric == "f1" else parts, axis=1)


def value_of(metric: Metric, sums: Doubles) -> Doubles:
    """(..., q) -> (...): the metric of samples, each with the sums of its units."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric in ("balanced_accuracy", "f1"):
            hits, support, *chosen = np.split(sums, 3 if metric == "f1" else 2, axis=-1)
            whole = (support + chosen[0]) / 2 if chosen else support
            return _mean_where(whole > 0, hits / whole)
        parts, count = sums[..., :-1], sums[..., -1:]
        if metric == "r2":
            errors, total, squares = np.split(parts, 3, axis=-1)
            return np.asarray((1 - errors / (squares - total**2 / count)).mean(axis=-1))
        means = parts / count
        return np.asarray((np.sqrt(means) if metric == "rmse" else means).mean(axis=-1))


def better_by(metric: Metric, baseline: float, margin: float) -> float:
    """The bar of a model that has to beat a baseline: by a share of its error; of classes right, by a difference.

    That difference is at most half of what the baseline lacks to 1, so that the bar can be reached.
    """
    if metric == "r2":
        return 1 - (1 - baseline) * (1 - margin)
    if metric in HIGHER:
        return min(baseline + margin, (baseline + 1) / 2)
    return baseline * (1 - margin)


def no_worse_than(metric: Metric, value: float, margin: float) -> float:
    """The bar of a model that may be worse than `value` by the margin."""
    if metric == "r2":
        return 1 - (1 - value) * (1 + margin)
    return value - margin if metric in HIGHER else value * (1 + margin)


def gain(metric: Metric, value: Doubles, baseline: Doubles) -> Doubles:
    """How much better `value` is; negative where it is worse."""
    return value - baseline if metric in HIGHER else baseline - value


def _mean_where(counts: npt.NDArray[np.bool_], values: Doubles) -> Doubles:
    """The mean over the last axis of the values that count; NaN where none does."""
    return np.asarray(np.where(counts, values, 0.0).sum(axis=-1) / counts.sum(axis=-1))
