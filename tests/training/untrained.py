"""Networks of every task, not trained: they are weak, and all ways to compute their answers agree."""

from pathlib import Path

import keras
import numpy as np

from tests.training.scores.built import forecast_data, rows_data
from training.networks import build, export
from training.plan import Chosen, Plan, plan_task

UNTRAINED = ("classify", "label", "regress", "regress each step", "regress each item", "forecast", "forecast each step")


def plan_for(case: str) -> Plan:
    rng = np.random.default_rng(1)
    ragged = [rng.normal(3, 2, (int(length), 3)) for length in rng.integers(2, 9, 40)]
    steps = sum(len(row) for row in ragged)
    series = np.cumsum(rng.normal(0, 1, (120, 2)), axis=0)
    match case:
        case "classify":
            data = rows_data("classify", ragged, rng.integers(3, size=40), classes=3)
            return plan_task(data, "many_to_one", "own", 1, Chosen(units=6, layers=2))
        case "label":
            data = rows_data("label", ragged, rng.integers(3, size=steps), classes=3, per_step=True)
            return plan_task(data, "many_to_many", "own", 1, Chosen(units=6, layers=2))
        case "regress":
            data = rows_data("regress", ragged, rng.normal(50, 9, (40, 2)))
            return plan_task(data, "many_to_one", "own", 1, Chosen(units=5))
        case "regress each step":
            data = rows_data("regress", ragged, rng.normal(50, 9, (steps, 2)), per_step=True)
            return plan_task(data, "many_to_many", "own", 1, Chosen(units=6, layers=3))
        case "regress each item":
            data = rows_data("regress", ragged, rng.normal(50, 9, (steps, 1)), per_step=True)
            return plan_task(data, "one_to_one", "own", 1, Chosen(units=5))
        case "forecast":
            data = forecast_data(series, 12, 4, targets=(1,))
            return plan_task(data, "many_to_one", "own", 1, Chosen(units=5, layers=2))
        case _:
            data = forecast_data(series, 12, 1, per_step=True, targets=(1, 0))
            return plan_task(data, "many_to_many", "own", 1, Chosen(units=5))


def exported(plan: Plan, folder: Path, seed: int = 1) -> keras.Model:
    """Build a network and write its SavedModel to `folder`."""
    model = build(plan.network, plan.length, seed)
    export(model, plan.network, folder, plan.scaling)
    return model
