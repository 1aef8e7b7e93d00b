"""Writes the answer of a model under its own name: numbers per step or per row, or labels with their probabilities."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson

from contract.rows import Floats, Rows
from service.engine.engine import Predicted

_heads: Final[WeakKeyDictionary[object, bytes]] = WeakKeyDictionary()
"""By model: the part of its answers that is always the same, as JSON. A model of a hundred features has a long domain."""


def render_named(predicted: Predicted) -> bytes:
    """A NamedPrediction as JSON, with the fewest digits that give back each float32 value."""
    rows, model = predicted.rows, predicted.model
    if (head := _heads.get(model)) is None:
        head = _heads[model] = _head(predicted)
    model_input, model_output = model.topology.shapes(rows, model.outputs)
    answer = {
        **_answer(predicted),
        "model_input_shape": model_input,
        "model_output_shape": model_output,
        "in_domain": predicted.in_domain,
    }
    return b"%b,%b" % (head, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)[1:])


def _head(predicted: Predicted) -> bytes:
    """Without the closing brace."""
    manifest = predicted.model.manifest
    said: dict[str, Any] = {
        "topology": manifest.topology,
        "model": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "domain": [{"name": each.name, "low": each.domain.low, "high": each.domain.high} for each in manifest.features],
    }
    if manifest.classes:
        said["classes"] = manifest.classes
    return orjson.dumps(said)[:-1]


def _answer(predicted: Predicted) -> dict[str, Any]:
    model, values = predicted.model, predicted.values
    each_step = model.topology.per_step
    if classes := model.manifest.classes:
        labels = [classes[number] for number in values.argmax(axis=1).tolist()]
        if not each_step:
            return {"labels": labels, "probabilities": values}
        return {"labels": _cut(labels, predicted.rows), "probabilities": _by_rows(values, predicted.rows)}
    if each_step:
        return {"sequences": _by_rows(values, predicted.rows)}
    return {"sequences" if model.manifest.task == "echo" else "outputs": values}


def _by_rows(values: Floats, rows: Rows) -> Floats | list[Floats]:
    """(items, K) -> for each row (steps, K), or (steps,) where K is 1."""
    width = values.shape[1:] if values.shape[1] > 1 else ()
    return values.reshape(-1, rows.uniform, *width) if rows.uniform else rows.split(values.reshape(-1, *width))


def _cut(labels: Sequence[str], rows: Rows) -> list[Sequence[str]]:
    return [labels[first:last] for first, last in pairwise([0, *accumulate(rows.lengths)])]
