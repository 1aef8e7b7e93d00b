"""The engine without HTTP: Keras' `predict`, the SavedModel's signature, and the service's own way, at several shapes.

    python -m benchmarks.engine [--threads 1]

All three have the same weights and are measured in turns; every figure is a median. Ends with one JSON line.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.payloads import rows_body
from benchmarks.targets import models_folder
from contract.store import ModelStore
from contract.topologies import TOPOLOGIES, Floats, Rows
from service.engine import Echo
from service.graph import use_threads
from service.model import LoadedModel
from service.program import OFTEN
from service.protocols.native import parse, render
from service.registry import Registry
from service.runtime import SavedModel

LENGTHS = (5, 50, 1000)
BATCHES = (1, 64, 1024)
ROUNDS = 5
SECONDS = 0.05
"""For one way, in one round; at least three calls."""
TOO_SLOW = 1_000_000
"""Items from which `predict` is left out: seconds a call."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of one model call, for all three ways (default: %(default)s)")
    options = parser.parse_args()
    use_threads(options.threads)
    store = ModelStore(models_folder())
    model = many_to_many(store)
    folder = store.path(model.manifest.name, model.manifest.version)
    cases = [(length, batch) for length in LENGTHS for batch in BATCHES]
    found = []
    print(f"{'length':>6} {'batch':>6} {'predict':>12} {'signature':>12} {'ours':>12}  times faster than the signature")
    for length, batch in cases:
        found.append(result := compare(model, folder, length, batch))
        predict = "      -     " if result["predict_ms"] is None else f"{result['predict_ms']:9.3f} ms"
        times = result["signature_ms"] / result["ours_ms"]
        print(f"{length:6} {batch:6} {predict} {result['signature_ms']:9.3f} ms {result['ours_ms']:9.3f} ms  {times:.1f}")
    print(json.dumps({"threads": options.threads, "shapes": found, "rows": parts(model, 1000)}))


def many_to_many(store: ModelStore) -> LoadedModel:
    """As the service loads it."""
    registry = Registry(store)
    registry.load_all()
    choice = registry.find(TOPOLOGIES["many_to_many"], 5)
    assert choice is not None
    return choice.model


def compare(model: LoadedModel, folder: Path, length: int, batch: int) -> dict[str, Any]:
    runtime = model.runtime
    assert isinstance(runtime, SavedModel)
    values = np.random.default_rng(0).random((batch, length), np.float32)
    rows = Rows(values.reshape(-1), [length] * batch)
    signature, predict = signature_and_keras(folder, length)
    ways: dict[str, Callable[[], Floats]] = {
        "signature": lambda: signature(values[..., None]),
        "ours": lambda: model.run(rows).values,
    }
    if values.size < TOO_SLOW:
        ways["predict"] = lambda: predict(values[..., None])
    for _ in range(OFTEN):
        ways["ours"]()
    runtime.settle()  # what that asked for is compiled now
    answers = {name: way().reshape(-1) for name, way in ways.items()}
    worst = max(float(np.abs(answer - answers["signature"]).max()) for answer in answers.values())
    taken = interleaved(ways)
    milliseconds = {f"{name}_ms": taken.get(name) for name in ("predict", "signature", "ours")}
    return {"length": length, "batch": batch, **milliseconds, "largest_difference": worst}


def signature_and_keras(folder: Path, length: int) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """The plain signature, and `predict` of the Keras network with the same weights."""
    import keras  # noqa: PLC0415 - after use_threads
    import tensorflow as tf  # noqa: PLC0415

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]
    weights = [variable.numpy() for variable in serve.variables]
    units = next(weight.shape[0] for weight in weights if weight.ndim == 2 and weight.shape[1] == 4 * weight.shape[0])
    head = keras.layers.TimeDistributed(keras.layers.Dense(1))
    network = keras.Sequential([keras.Input((length, 1)), keras.layers.LSTM(units, return_sequences=True), head])
    by_shape = {weight.shape: weight for weight in weights}
    network.set_weights([by_shape[tuple(variable.shape)] for variable in network.weights])

    def signature(inputs: Floats, _alive: object = loaded) -> Floats:
        (outputs,) = serve(sequences=tf.constant(inputs)).values()
        return np.asarray(outputs)

    def predict(inputs: Floats) -> Floats:
        return np.asarray(network.predict(inputs, batch_size=len(inputs), verbose=0))

    return signature, predict


def parts(model: LoadedModel, rows: int) -> dict[str, float]:
    """Where the time of one large request goes: JSON in, the model, JSON out; milliseconds."""
    body = rows_body(rows)
    asked = Rows.of(parse(body).sequences)
    for _ in range(OFTEN):
        answer = model.run(asked)
    assert isinstance(model.runtime, SavedModel)
    model.runtime.settle()
    echo = Echo(model, asked, *answer)
    ways: dict[str, Callable[[], Any]] = {
        "json_in_ms": lambda: Rows.of(parse(body).sequences),
        "model_ms": lambda: model.run(asked),
        "json_out_ms": lambda: render(echo),
    }
    return interleaved(ways)


def interleaved(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds of each: the median over rounds of the median in a round."""
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(ROUNDS):
        for name, way in ways.items():
            rounds[name].append(_median(way))
    return {name: statistics.median(times) * 1e3 for name, times in rounds.items()}


def _median(way: Callable[[], Any]) -> float:
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS:
        begun = time.perf_counter()
        way()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
