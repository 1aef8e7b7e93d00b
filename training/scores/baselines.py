"""The obvious answers, which a model has to beat.

    naive        a forecast repeats the last value
    seasonal:N   a forecast repeats the values of N steps before
    mean         one constant per target: the mean of the training answers, or their median for metrics of absolute errors
    majority     the most frequent class of the training answers; its probabilities are the shares of the classes

A forecast has to beat the mean too. In white noise the mean is better than the last value, and nothing is better than the mean.
"""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from contract.manifest import Metric
from contract.rows import Floats, Ints
from training.scores.metrics import Doubles
from training.sequences.dataset import Dataset, Side

ABSOLUTE: Final[frozenset[Metric]] = frozenset({"mae", "mape", "mase"})
"""No constant has a smaller mean absolute error than the median."""
CLEAR: Final = 0.5
"""Least autocorrelation of a season, as a share of that of lag 0."""
DIP: Final = 0.1
"""So much lower is the autocorrelation at a lag before: a slow drift has no dip."""
TIE: Final = 0.02
"""Multiples of a season correlate as much as the season itself: the shortest of equals is taken."""
STEPS: Final = 2_000_000
"""Most steps of the training rows that a baseline is computed from."""


def baselines_of(data: Dataset) -> list[str]:
    """The baselines that fit the task, without seasons."""
    return ["majority"] if data.classes else ["naive", "mean"] if data.task == "forecast" else ["mean"]


def season_of(name: str) -> int | None:
    """N of seasonal:N; None for other names."""
    found = re.fullmatch(r"seasonal:([1-9][0-9]{0,6})", name)
    return int(found[1]) if found else None


def answers_of(name: str, data: Dataset, side: Side, metric: Metric) -> Floats:
    """The baseline's answers to the rows: (answers, K)."""
    season = season_of(name)
    if season is not None:
        return _seasonal(data, side, season)
    if name == "naive":
        return _seasonal(data, side, 1)
    answers = data.answers(at_most(data.train, STEPS))
    number = int(side.lengths.sum()) if data.per_step else len(side)
    if name == "mean":
        by_target = answers.reshape(-1, len(data.goals))
        middle = np.median(by_target, axis=0) if metric in ABSOLUTE else by_target.mean(axis=0, dtype=np.float64)
        typical = np.tile(middle, data.horizon)  # (K,)
    else:
        typical = np.bincount(answers.astype(np.int64), minlength=len(data.classes)) / len(answers)
    return np.broadcast_to(typical.astype(np.float32), (number, len(typical)))


def _seasonal(data: Dataset, side: Side, season: int) -> Floats:
    """The values `season` steps before each answer. A row that begins later than that gives its last known value."""
    if data.per_step:
        place, local = places(side)
        before = np.where(local + 1 >= season, place + 1 - season, place)
        return data.values[before][:, data.target_columns]
    ahead = np.arange(data.horizon) % season  # (horizon,)
    ends = side.starts + side.lengths
    before = np.where((side.lengths >= season)[:, None], ends[:, None] - season + ahead, ends[:, None] - 1)
    return data.values[before][..., data.target_columns].reshape(len(side), -1)


def found_season(data: Dataset) -> int | None:
    """The season of the training series: the lag where the autocorrelation has a clear peak. None: there is none.

    Rows have room for two of them. A straight trend is removed before.
    """
    longest = data.facts.shortest // 2
    if data.task != "forecast" or longest < 2:
        return None
    products = np.zeros(longest + 2)
    for series in _series(data):
        products += _autocorrelation(series, longest + 2)
    if not products[0] > 0:
        return None
    share = products / products[0]
    peaks = [
        lag
        for lag in range(2, longest + 1)
        if share[lag] > CLEAR
        and share[lag] > share[lag - 1]
        and share[lag] >= share[lag + 1]
        and share[1:lag].min() < share[lag] - DIP
    ]
    best = max((share[lag] for lag in peaks), default=0.0)
    return next((lag for lag in peaks if share[lag] >= best - TIE), None)


def scales_of(data: Dataset, season: int) -> Doubles:
    """(T,): the mean absolute difference of training values `season` steps apart, which mase divides by.

    NaN where no training row is longer than the season.
    """
    side = at_most(data.train, STEPS)
    place, local = places(side)
    later = place[local >= season]
    if not len(later):
        return np.full(len(data.target_columns), np.nan)
    now, before = (data.values[each][:, data.target_columns].astype(np.float64) for each in (later, later - season))
    return np.asarray(np.abs(now - before).mean(axis=0))


def at_most(side: Side, steps: int, rows: int | None = None) -> Side:
    """Evenly chosen rows that have about `steps` steps together at most, but one row at least."""
    mean = max(1.0, float(side.lengths.mean())) if len(side) else 1.0
    return side.some(max(1, min(int(steps / mean), rows or steps)))


def places(side: Side) -> tuple[Ints, Ints]:
    """(steps,), (steps,): where in `Dataset.values` each step of the rows is, and its number in its row."""
    ends = np.cumsum(side.lengths)
    local = np.arange(side.lengths.sum()) - np.repeat(ends - side.lengths, side.lengths)
    return np.repeat(side.starts, side.lengths) + local, local


def _series(data: Dataset) -> Iterator[Doubles]:
    """(steps,) of each target: what overlapping training rows cover without a gap, with mean 0 and deviation 1."""
    side = data.train
    order = np.argsort(side.starts, kind="stable")
    begins, ends = side.starts[order], (side.starts + side.lengths)[order]
    reached = np.maximum.accumulate(ends)
    firsts = np.flatnonzero(np.concatenate([[True], begins[1:] >= reached[:-1]]))
    lasts = np.concatenate([firsts[1:], [len(begins)]]) - 1
    used = 0
    for begin, end in zip(begins[firsts].tolist(), reached[lasts].tolist(), strict=True):
        if used > STEPS:
            return
        used += end - begin
        for column in data.target_columns:
            series = data.values[begin:end, column].astype(np.float64)
            time = np.arange(len(series)) - (len(series) - 1) / 2
            series -= series.mean()
            series -= time * (series @ time) / max(float(time @ time), 1.0)
            spread = series.std()
            if spread > 0:
                yield series / spread


def _autocorrelation(series: Doubles, lags: int) -> Doubles:
    """(lags,): the mean product of values 0, 1, 2, ... steps apart, times the length; 0 beyond the series."""
    size = 1 << int(len(series) + lags).bit_length()
    spectrum = np.fft.rfft(series, size)
    products = np.fft.irfft(spectrum * spectrum.conj(), size)[:lags]
    pairs = len(series) - np.arange(lags)
    return np.where(pairs > 0, products * len(series) / np.maximum(pairs, 1), 0.0)
