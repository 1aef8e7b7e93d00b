"""Models of a stand-in service: what it tells of them, and a function of a row in place of each network."""

from functools import cache
from typing import Any, Final

import numpy as np

from contract.rows import Floats
from contract.topologies import TOPOLOGIES
from loadtests.models import Model
from loadtests.payloads import drawn_rows

UNIT: Final = (0.0, 1.0)


def listed(
    name: str,
    topology: str,
    task: str = "echo",
    domains: tuple[tuple[float, float], ...] = (UNIT,),
    classes: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """A model without its golden pairs, as `GET /models` lists it."""
    features = [{"name": f"f{i}", "unit": "", "domain": {"low": low, "high": high}} for i, (low, high) in enumerate(domains)]
    facts = {"name": name, "version": "2", "topology": topology, "task": task, "features": features}
    return {**facts, "classes": [*classes], "length": 5, "any_length": True, "highest_length": 1000, "units": 5, **more}


ECHOES: Final = [
    listed(topology.echo_name(5), name, any_length=topology.per_step, highest_length=1000 if topology.per_step else 5)
    for name, topology in TOPOLOGIES.items()
]
MODELS: Final = [
    *ECHOES,
    listed("waves", "many_to_many", domains=((-50.0, 150.0), UNIT)),
    listed("stocks", "many_to_one", "forecast", ((-5.0, 5.0),), any_length=False, length=7, highest_length=7),
    listed("kinds", "many_to_one", "classify", (UNIT, (-1.0, 1.0), (10.0, 20.0)), ("a", "b", "c", "d"), highest_length=29),
    listed("phases", "many_to_many", "label", (UNIT, (-1.0, 1.0)), ("rest", "walk", "run")),
]
"""Three echoes under the topologies' names, an echo of two features, a forecast of three steps, a classifier, a labeller."""
BY_NAME: Final = {model["name"]: model for model in MODELS}


def network(model: dict[str, Any], row: Floats) -> Floats:
    """(steps, F) -> (steps, K), or (1, K)."""
    outputs: Floats
    match model["task"]:
        case "forecast":
            return np.stack([row.mean(axis=0), row[-1], row.max(axis=0)], axis=1)
        case "classify":
            outputs = _softmax(np.append(row.sum(axis=0, keepdims=True), np.zeros((1, 1), np.float32), axis=1) / 10)
        case "label":
            outputs = _softmax(np.concatenate([row.cumsum(axis=0), row[:, :1] / 2], axis=1))
        case _:
            outputs = row + np.float32(0.01)
            outputs = outputs if TOPOLOGIES[model["topology"]].per_step else outputs.reshape(1, -1)
    return outputs


def _softmax(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def card(model: dict[str, Any]) -> dict[str, Any]:
    """`GET /models/{name}`."""
    rows = [np.full((model["length"], len(model["features"])), value, np.float32) for value in (0.25, 0.5)]
    golden = [{"input": row.tolist(), "output": network(model, row).tolist()} for row in rows]
    return {**model, "golden": golden, "golden_tolerance": 1e-5}


def answer(model: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The right answer to a request. Raises ShapeError like the service."""
    rows = [np.array(row, np.float32).reshape(len(row), -1) for row in asked["sequences"]]
    assert {row.shape[1] for row in rows} == {len(model["features"])}
    assert model["any_length"] or {len(row) for row in rows} == {model["length"]}
    outputs = [network(model, row).tolist() for row in rows]
    said = {"topology": model["topology"], "model": model["name"], "version": model["version"], "in_domain": [True] * len(rows)}
    per_step = TOPOLOGIES[model["topology"]].per_step
    if model["classes"]:
        labels = [[model["classes"][int(np.argmax(step))] for step in row] for row in outputs]
        each = {"labels": labels, "probabilities": outputs} if per_step else _first(labels=labels, probabilities=outputs)
        return {**said, **each, "classes": model["classes"]}
    if per_step:
        return {**said, "sequences": [[step[0] for step in row] if len(row[0]) == 1 else row for row in outputs]}
    return {**said, **_first(**{"sequences" if model["task"] == "echo" else "outputs": outputs})}


def _first(**fields: list[Any]) -> dict[str, Any]:
    return {name: [row[0] for row in rows] for name, rows in fields.items()}


@cache
def under_test(name: str, seed: int = 0) -> Model:
    """The model as the load test knows it, with its answers to rows alone."""
    model = BY_NAME[name]
    known = Model.model_validate(card(model))
    if known.echo:
        return known
    return known.model_copy(
        update={"alone": [network(model, row.astype(np.float32)).tolist() for row in drawn_rows(known, seed)]}
    )
