"""Small data sets and plans, built without files."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract.manifest import DataFacts, Metric, Quantity, Task
from contract.topologies import TOPOLOGIES, TopologyName
from training.plan import Goal, Network, Plan
from training.recipes import TASK_RECIPES
from training.sequences.dataset import NO_ROWS, Dataset, Side, domain_of

Array = npt.NDArray[Any]


def facts(lengths: Array, split: str, train: int, held_out: int) -> DataFacts:
    return DataFacts.model_validate(
        {
            "file": "own.npz",
            "sha256": "0" * 64,
            "length": int(lengths.max()),
            "shortest": int(lengths.min()),
            "stride": 1,
            "split": split,
            "split_seed": 1,
            "held_out_fraction": 0.3,
            "sequences_train": 1,
            "sequences_held_out": 1,
            "rows_train": train,
            "rows_validation": 0,
            "rows_held_out": held_out,
        }
    )


def quantities(values: Array, name: str) -> list[Quantity]:
    columns = values.reshape(-1, values.shape[-1]).T.astype(np.float32)
    return [Quantity(name=f"{name}{number}", domain=domain_of(column)) for number, column in enumerate(columns)]


def forecast_data(
    series: Array, length: int, horizon: int, *, per_step: bool = False, targets: tuple[int, ...] = (0,)
) -> Dataset:
    """Windows of stride 1 from one series (steps,) or (steps, F); the answers of the last 30 % are held out."""
    values = series.reshape(len(series), -1).astype(np.float32)
    ahead = 1 if per_step else horizon
    starts = np.arange(len(values) - length - ahead + 1)
    first = round(0.7 * len(values))  # of the held-out answers
    train, held_out = starts[starts + length + ahead <= first], starts[starts + length >= first]
    sides = [Side(each, np.full(len(each), length), each) for each in (train, held_out)]
    features = quantities(values, "x")
    return Dataset(
        task="forecast",
        per_step=per_step,
        values=values,
        targets=None,
        features=features,
        goals=[features[target] for target in targets],
        classes=[],
        target_columns=list(targets),
        horizon=ahead,
        train=sides[0],
        validation=NO_ROWS,
        held_out=sides[1],
        facts=facts(np.array([length]), "by time", len(train), len(held_out)),
    )


def rows_data(task: Task, rows: list[Array], answers: Array, *, classes: int = 0, per_step: bool = False) -> Dataset:
    """Rows (length, F), the last 30 % held out. `answers`: (rows or steps, T) numbers, or (rows or steps,) classes."""
    values = np.concatenate(rows).astype(np.float32)
    lengths = np.array([len(row) for row in rows])
    starts = np.cumsum(lengths) - lengths
    first = round(0.7 * len(rows))
    whole = Side(starts, lengths, starts if per_step else np.arange(len(rows)))
    train, held_out = (Side(*(each[part] for each in whole)) for part in (slice(first), slice(first, None)))
    return Dataset(
        task=task,
        per_step=per_step,
        values=values,
        targets=answers.astype(np.int64) if classes else answers.astype(np.float32),
        features=quantities(values, "x"),
        goals=[] if classes else quantities(answers, "y"),
        classes=[f"class {number}" for number in range(classes)],
        target_columns=[],
        horizon=1,
        train=train,
        validation=NO_ROWS,
        held_out=held_out,
        facts=facts(lengths, "by sequence", len(train), len(held_out)),
    )


def plan_of(
    data: Dataset,
    metric: Metric | None = None,
    beats: tuple[str, ...] = (),
    bar: float | None = None,
    topology: TopologyName | None = None,
    **network: Any,
) -> Plan:
    """A plan without scaling, with the recipe's goal where nothing else is said."""
    recipe = TASK_RECIPES[data.task]
    shape = TOPOLOGIES[topology or ("many_to_many" if data.per_step else "many_to_one")]
    outputs = len(data.classes) or len(data.goals) * data.horizon
    return Plan(
        recipe=recipe,
        name="own",
        network=Network(
            **{"topology": shape, "units": 4, "features": len(data.features), "outputs": outputs, **network},
            softmax=bool(data.classes),
        ),
        length=data.facts.length,
        batch=8,
        steps=1,
        learning_rate=1e-3,
        seed=1,
        data=data,
        goal=Goal(metric or recipe.metric, bar, beats or recipe.beats, recipe.margin),
    )
