"""Requests with their right answers, by the models that are served."""

from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import orjson

from contract.manifest import Manifest
from contract.rows import Rows
from service.engine.engine import Predicted
from service.protocols import native_examples
from service.protocols.native import render
from service.protocols.native_answers import render_named
from service.versions.served_versions import ServedVersions

_made: Final[WeakKeyDictionary[object, "Example"]] = WeakKeyDictionary()  # by model


class Example(NamedTuple):
    """`answer`: to the model's name; `echo`: to the route of its topology, None where it is no echo."""

    request: dict[str, Any]
    answer: dict[str, Any]
    echo: dict[str, Any] | None


def example_of(served: ServedVersions) -> Example:
    """One row in the model's domain, and what the default version answers. Runs the model once for each version."""
    model = served.default
    if (example := _made.get(model)) is None:
        request = native_examples.example(model.manifest) or _real(model.manifest)
        rows = Rows.of(request["sequences"], model.features)
        predicted = Predicted(model, rows, *model.run(rows))
        named: dict[str, Any] = orjson.loads(render_named(predicted))
        echo = orjson.loads(render(predicted)) if model.manifest.task == "echo" and model.features == 1 else None
        example = _made[model] = Example(request, named, echo)
    return example


def _real(manifest: Manifest) -> dict[str, Any]:
    """The shortest row of a golden pair, for a model whose rows are long."""
    steps = np.asarray(min(manifest.golden, key=lambda pair: len(pair.input)).input, np.float32)  # (steps, F)
    row = steps if steps.shape[1] > 1 else steps[:, 0]
    shown: dict[str, Any] = orjson.loads(orjson.dumps({"sequences": [row]}, option=orjson.OPT_SERIALIZE_NUMPY))
    return shown  # orjson writes each float32 in the fewest digits: 0.2, not 0.20000000298023224
