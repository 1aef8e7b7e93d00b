"""Requests with their right answers, by the models that are served."""

from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import orjson

from contract.rows import Rows
from service.engine.engine import Predicted
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
    """A row of a golden pair, and what the default version answers. Runs the model once for each version."""
    model = served.default
    if (example := _made.get(model)) is None:
        golden = model.manifest.golden  # an echo's first row is the tutorial's sequence
        shown = golden[0] if model.manifest.task == "echo" else min(golden, key=lambda pair: len(pair.input))
        steps = np.asarray(shown.input, np.float32)  # (steps, F)
        rows = Rows(steps, [len(steps)])
        predicted = Predicted(model, rows, *model.run(rows))
        # orjson writes each float32 in the fewest digits: 0.2, not 0.20000000298023224
        row = orjson.loads(orjson.dumps(steps if steps.shape[1] > 1 else steps[:, 0], option=orjson.OPT_SERIALIZE_NUMPY))
        named: dict[str, Any] = orjson.loads(render_named(predicted))
        echo = orjson.loads(render(predicted)) if model.manifest.task == "echo" and model.features == 1 else None
        example = _made[model] = Example({"sequences": [row]}, named, echo)
    return example
