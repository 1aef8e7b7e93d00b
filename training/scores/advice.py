"""What to try after a refusal: a sentence for each kind of figure that failed."""

import math
from collections.abc import Sequence

from contract.manifest import Figure, Metric
from training.plan import Plan
from training.scores.baselines import season_of
from training.scores.score import AHEAD, ENOUGH_ROWS, LOWER_END, OWN_BAR, UPPER_END

MORE_DATA = "Bring more rows, or hold out more of them (--held-out)."


def advice(plan: Plan, gate: Sequence[Figure]) -> list[str]:
    """Sentences for the figures that failed; none where all passed."""
    failed = {figure.name: figure for figure in gate if not figure.passed}
    if not failed:
        return []
    if plan.goal is None:
        found: list[str | None] = [_of_echo(figure) for figure in failed.values()]
    else:
        found = [_of_task(plan, plan.goal.metric, figure, failed) for figure in failed.values()]
    return list(dict.fromkeys(sentence for sentence in found if sentence))


def _of_echo(figure: Figure) -> str:
    if "against production" in figure.name:
        return _against_production(figure)
    if figure.name.startswith("error"):
        return f"The {figure.name} is above its bar: train longer (--steps), or a wider network (--units)."
    return _of_files(figure)


def _of_task(plan: Plan, metric: Metric, figure: Figure, failed: dict[str, Figure]) -> str | None:
    name = figure.name
    if name == ENOUGH_ROWS:
        return f"Only {figure.value:.0f} held-out rows can be judged, and the gate wants {figure.bar:.0f}. {MORE_DATA}"
    if math.isnan(figure.value) and name.startswith(metric):
        return "The model answers NaN or infinity: try a lower learning rate (--learning-rate)."
    if "against production" in name or "with production" in name:
        return _against_production(figure)
    if name == f"{metric} {OWN_BAR}":
        return (
            f"The {metric} of {figure.value:.4g} misses the bar of {figure.bar:g} that you set: "
            "try more epochs (--epochs), more units (--units), more data, or another bar (--bar)."
        )
    if name.startswith(f"{metric} against "):
        return _behind(plan, name.removeprefix(f"{metric} against "))
    if AHEAD in name or name.endswith((LOWER_END, UPPER_END)):
        if any(other.startswith(f"{metric} against ") for other in failed):  # that sentence says more
            return None
        return f"The held-out rows are too few to tell the model's answers from the obvious ones. {MORE_DATA}"
    return _of_files(figure)


def _for_a_season(plan: Plan, length: int) -> str:
    """`length`: the steps of several seasons."""
    tries = [f"rows of several seasons (--length {length})"] if plan.length < length else []
    tries += ["a forecast of one column (--target)"] if plan.data is not None and len(plan.data.goals) > 1 else []
    return ", ".join([*tries, "more units with dropout (--units, --dropout)"])


def _behind(plan: Plan, baseline: str) -> str:
    """The model is not better than a baseline by the margin."""
    season = season_of(baseline)
    if baseline == "naive":
        return (
            "The forecast is no better than repeating the last value: the series may be a random walk. "
            "Try more history (--length), another target, or more data."
        )
    if season is not None:
        return (
            f"The forecast is no better than the values of {season} steps before: it may have learnt the season only. "
            f"Try {_for_a_season(plan, 3 * season)}, more epochs (--epochs), or more data."
        )
    if baseline == "mean" and plan.task == "forecast":
        return (
            "The forecast is no better than one constant: the series may be noise without a memory. "
            "Try other features (--features), another target, longer steps of time, or more data."
        )
    if baseline == "mean":
        return (
            "The answers are no better than the mean of the training targets: the features may say nothing of the target. "
            "Check that rows and targets are in the same order. Try other features, more units (--units), or more data."
        )
    return (
        "The classes are told apart no better than by the most frequent class: the features may say nothing of the class. "
        "Check that rows and labels are in the same order. "
        "Try other features, more epochs (--epochs), --class-weights, or more data."
    )


def _against_production(figure: Figure) -> str:
    if "with production" in figure.name:
        instead = "Train it under another name (--name), or by `run`, which does not compare with production."
        return f"The new model {figure.name}. {instead}"
    return "The version in production answers the held-out rows better: train longer (--steps), or keep it."


def _of_files(figure: Figure) -> str:
    return (
        f"The exported files do not compute what the trained network computes ({figure.name}): the data is not the cause. "
        "Please report it with the run's gate.json."
    )
