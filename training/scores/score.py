"""How good a model is on held-out rows: the task's metric, its interval, and the baselines that the model has to beat."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from contract.manifest import Figure, Metric, Score
from contract.rows import Floats, Ints, Rows
from training.plan import Goal, Plan
from training.scores import metrics
from training.scores.baselines import answers_of, at_most, baselines_of, found_season, scales_of, season_of
from training.scores.intervals import Units, interval, resampled, units_of
from training.scores.metrics import HIGHER, OF_CLASSES, OF_NUMBERS, Doubles
from training.sequences.dataset import Dataset, Side

HELD_OUT_ROWS: Final = 20_000
HELD_OUT_NUMBERS: Final = 20_000_000
"""Most input and output numbers of the held-out rows."""
NUMBERS_TOGETHER: Final = 2_000_000
"""Most input and output numbers of a call, padding included."""
LEAST: Final = 5
"""Fewest rows to judge by: five right answers in a row of two classes are chance in 3 % of cases."""
ENOUGH_ROWS: Final = "held-out rows"
"""The name of this figure."""
LOWER_END, UPPER_END = "lower end of its interval", "upper end of its interval"
GUESSES: Final = "guesses"
"""A baseline of f1: random classes with the right shares have an expected f1 of 1 / classes, more than the majority has."""
AHEAD: Final = "ahead of"
OWN_BAR: Final = "against --bar"


class Measured(NamedTuple):
    """What was measured. Every value is NaN where the model answers NaN or infinity."""

    metric: Metric
    value: float
    low: float  # of the 95 % interval of the value
    high: float
    baselines: dict[str, float]
    beats: tuple[str, ...]
    ahead: float  # of numbers: the lower end of the interval of the gain over `best`
    best: str  # of the baselines that the model has to beat
    rows: int
    drawn: int  # rows, groups of overlapping rows, or pieces of rows, which the interval is drawn from
    bar: float | None

    def score(self) -> Score | None:
        """For the manifest; None where the model answers NaN or infinity."""
        if not math.isfinite(self.value):
            return None
        return Score(
            metric=self.metric,
            value=self.value,
            low=self.low,
            high=self.high,
            bar=self.bar,
            baselines=self.baselines,
            beats=list(self.beats),
            rows=self.rows,
        )


def check_goal(plan: Plan) -> None:
    """Raise ValueError where the metric or a baseline does not fit the data. The message says what to type."""
    data, goal = _asked(plan)
    metric = goal.metric
    fitting = OF_CLASSES if data.classes else OF_NUMBERS - ({"mase"} if data.task == "regress" else set())
    if metric not in fitting:
        raise ValueError(f"--metric {metric} does not fit {data.task}: choose {', '.join(sorted(fitting))}")
    for name in goal.beats:
        season = season_of(name)
        if name not in baselines_of(data) and (season is None or data.task != "forecast"):
            known = [*baselines_of(data), *(["seasonal:12"] if data.task == "forecast" else [])]
            raise ValueError(f"--beats {name} does not fit {data.task}: choose {' or '.join(known)}")
        if season is not None and season > data.facts.shortest:
            raise ValueError(
                f"--beats {name} needs rows of at least {season} steps; the shortest has {data.facts.shortest}. "
                f"Try --length {2 * season}"
            )
    right = data.answers(_judged(data))
    if metric == "mape" and not right.all():
        raise ValueError(f"mape divides by the target, which is 0 in {np.count_nonzero(right == 0)} places: use --metric mae")
    if metric == "r2" and _narrow(right, len(data.goals)):
        raise ValueError("r2 compares with the spread of a target, and one has the same value in all held-out rows: use rmse")
    if metric == "mase" and not (scales_of(data, _mase_season(plan)) > 0).all():
        raise ValueError(
            f"mase divides by the change of the training series in {_mase_season(plan)} steps, which is none or unknown: "
            "use --metric mae"
        )


def measure(plan: Plan, answers: Callable[[Rows], Floats]) -> Measured:
    """Ask for the answers to the held-out rows, at most 20,000 and evenly chosen, and compare. Raises ValueError."""
    check_goal(plan)
    data, goal = _asked(plan)
    metric = goal.metric
    side = _judged(data)
    beats = required(plan)
    right, units = data.answers(side), _units(data, side)
    scales = scales_of(data, _mase_season(plan)) if metric == "mase" else np.ones(max(1, len(data.goals)))

    def sums(given: Floats) -> Doubles:
        if data.classes:
            return metrics.sums_of_classes(metric, right.astype(np.int64), given, units.of_answers)
        return metrics.sums_of_numbers(metric, right.astype(np.float32), given, units.of_answers, scales)

    names = dict.fromkeys((*baselines_of(data), *beats))
    obvious = {name: sums(answers_of(name, data, side, metric)) for name in names}
    values = {name: _whole(metric, each) for name, each in obvious.items()}
    if metric == "f1":
        values[GUESSES] = 1 / len(np.unique(right))
        beats = (*beats, GUESSES)
    best = (max if metric in HIGHER else min)(beats, key=values.__getitem__)
    value = low = high = ahead = math.nan
    given = _answers(answers, data.inputs(side), data.per_step)
    if np.isfinite(given).all():
        ours = sums(given)
        value = _whole(metric, ours)
        model, baseline = (
            np.concatenate([metrics.value_of(metric, counts @ each) for counts in resampled(units, plan.seed)])
            for each in (ours, obvious.get(best, ours))
        )
        low, high = interval(model)
        ahead, _ = interval(metrics.gain(metric, model, baseline))
    return Measured(
        *(metric, value, low, high, values, beats, ahead, best),
        rows=len(side),
        drawn=units.number,
        bar=goal.bar,
    )


def required(plan: Plan) -> tuple[str, ...]:
    """The baselines that the model has to beat: those of the goal.

    For a forecast the mean too, and the season that the series has, unless the goal names one.
    """
    data, goal = _asked(plan)
    beats = [*goal.beats]
    if data.task == "forecast":
        beats.append("mean")
        if not any(season_of(name) for name in beats) and (season := found_season(data)) is not None:
            beats.append(f"seasonal:{season}")
    return tuple(dict.fromkeys(beats))


def figures(plan: Plan, measured: Measured) -> list[Figure]:
    """What the gate requires: enough rows, better than each baseline, an interval that excludes chance, the user's bar."""
    _, goal = _asked(plan)
    metric, margin, higher = measured.metric, goal.margin, measured.metric in HIGHER
    found = [Figure(name=ENOUGH_ROWS, value=measured.drawn, bar=LEAST, at_least=True)]
    for name in measured.beats:
        bar = metrics.better_by(metric, measured.baselines[name], margin)
        found.append(Figure(name=f"{metric} against {name}", value=measured.value, bar=bar, at_least=higher))
    if metric in OF_NUMBERS:
        name = f"{metric}, {AHEAD} {measured.best} by, {LOWER_END}"
        found.append(Figure(name=name, value=measured.ahead, bar=0, at_least=True))
    else:
        end, name = (measured.low, LOWER_END) if higher else (measured.high, UPPER_END)
        chance = measured.baselines[measured.best]
        found.append(Figure(name=f"{metric}, {name}", value=end, bar=chance, at_least=higher))
    if measured.bar is not None:
        found.append(Figure(name=f"{metric} {OWN_BAR}", value=measured.value, bar=measured.bar, at_least=higher))
    return found


def _asked(plan: Plan) -> tuple[Dataset, Goal]:
    if plan.data is None or plan.goal is None:
        raise ValueError("an echo is judged by its largest error, not by a metric")
    return plan.data, plan.goal


def _judged(data: Dataset) -> Side:
    """The held-out rows that are judged, in the order of their places."""
    side = data.held_out
    begins, _ = _reach(data, side)
    order = np.argsort(begins, kind="stable")
    width = data.values.shape[1] + max(len(data.classes), len(data.goals) * data.horizon)
    ordered = Side(side.starts[order], side.lengths[order], side.answers[order])
    return at_most(ordered, HELD_OUT_NUMBERS // width, HELD_OUT_ROWS)


def _reach(data: Dataset, side: Side) -> tuple[Ints, Ints]:
    """(rows,), (rows,): the places in `Dataset.values` that decide about the errors of each row.

    Those are the answers of a many_to_one forecast: two rows with the same answers err alike, two with one common input differ.
    """
    ends = side.starts + side.lengths
    return (ends, ends + data.horizon) if data.task == "forecast" and not data.per_step else (side.starts, ends)


def _units(data: Dataset, side: Side) -> Units:
    in_time = data.facts.split in ("by time", "by blocks of time")
    return units_of(*_reach(data, side), side.lengths if data.per_step else None, in_time)


def _answers(answers: Callable[[Rows], Floats], rows: Rows, per_step: bool) -> Floats:
    """The answers to all rows, asked for in calls of rows of similar lengths."""
    parts = rows.split()
    order = np.argsort(rows.lengths, kind="stable").tolist()
    found: dict[int, Floats] = {}
    first, width = 0, rows.features
    while first < len(order):
        last = first + 1
        while last < len(order) and rows.lengths[order[last]] * (last - first + 1) * width <= NUMBERS_TOGETHER:
            last += 1
        called = [parts[row] for row in order[first:last]]
        piece = Rows(np.concatenate(called), [len(row) for row in called])
        given = answers(piece)
        found |= zip(order[first:last], piece.split(given) if per_step else given[:, None], strict=True)
        first, width = last, max(rows.features, given.shape[-1])
    return np.concatenate([found[row] for row in range(len(order))])


def _mase_season(plan: Plan) -> int:
    """The season that the user names, or 1."""
    _, goal = _asked(plan)
    return max((season_of(name) or 1 for name in goal.beats), default=1)


def _whole(metric: Metric, sums: Doubles) -> float:
    """The metric of all units together."""
    return float(metrics.value_of(metric, sums.sum(axis=0)))


def _narrow(right: Floats | Ints, targets: int) -> bool:
    """Whether a target has the same value everywhere."""
    return not np.ptp(right.reshape(-1, targets), axis=0).all()
