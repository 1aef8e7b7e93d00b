"""The engine without HTTP: the service's runtime against ONNX Runtime, PyTorch and TensorFlow, at several shapes.

    python -m benchmarks.engine

All runtimes have the same weights and one thread, and take turns. Every figure is a median. PyTorch takes part once
`python -m benchmarks.install_peers torch` has installed it. Ends with one JSON line.
"""

import json
import tempfile
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import timing
from benchmarks.engines.cases import CASES, RUNTIMES, TORCH, Case, of_case
from benchmarks.engines.runtimes import Exports, Torch, inputs_of, network_of, torch_if_installed, use_one_thread
from benchmarks.servers.payloads import rows_body
from benchmarks.servers.served_model import MODEL
from benchmarks.servers.targets import models_folder
from contract.rows import Rows
from contract.store import ModelStore
from service.engine.engine import Predicted
from service.protocols.native import parse, render
from service.versions.registry import Registry

LARGE = 1000
"""Rows of the request that is timed in parts: reading, model, writing."""


def main() -> None:
    use_one_thread()
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        torch = stack.enter_context(torch_if_installed())
        for number, (network, cases) in enumerate(groupby(CASES, network_of)):
            exports = Exports(network, folder / str(number))
            for case in cases:
                found.append(compare(exports, case, torch))
                print(line(found[-1]))
    left_out = {} if torch else {RUNTIMES[TORCH]: f"not installed; python -m benchmarks.install_peers {TORCH}"}
    rows = parts(LARGE)
    print(json.dumps({"cases": found, "rows": rows, "left_out": left_out}))


def compare(exports: Exports, case: Case, torch: Torch | None) -> dict[str, Any]:
    runtimes = exports.runtimes(inputs_of(case), torch)
    answers = {name: runtime.answer() for name, runtime in runtimes.items()}  # warms up, too
    worst = max(float(np.abs(answer - answers["signature"]).max()) for answer in answers.values())
    taken = timing.interleaved({name: runtime.seconds for name, runtime in runtimes.items()})
    return {**case._asdict(), "ms": taken, "largest_difference": worst}


def line(found: dict[str, Any]) -> str:
    return f"{of_case(found):57} " + "  ".join(f"{name} {taken:.3f} ms" for name, taken in found["ms"].items())


def parts(rows: int) -> dict[str, float]:
    """Milliseconds of each part of one large request. The model is loaded as the service loads it."""
    registry = Registry(ModelStore(models_folder()))
    registry.load_all()
    choice = registry.find(MODEL)
    assert choice is not None
    model, body = choice.model, rows_body(rows)
    asked = Rows.of(parse(body).sequences)
    predicted = Predicted(model, asked, *model.run(asked))
    calls = {
        "json_in_ms": lambda: Rows.of(parse(body).sequences),
        "model_ms": lambda: model.run(asked),
        "json_out_ms": lambda: render(predicted),
    }
    return timing.interleaved({name: partial(timing.median, call) for name, call in calls.items()})


if __name__ == "__main__":
    main()
