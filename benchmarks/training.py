"""The tutorial's three `fit` calls as written against the `tutorial` recipe, with the same first weights and epochs.

    make bench-training

Both are timed from an untrained network to a trained one, TensorFlow's tracing included. They take turns by topology.
"""

import json
import time
from collections.abc import Callable

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from contract.topologies import TOPOLOGY_NAMES, TopologyName
from training.commands.train import LENGTH
from training.fit import fit
from training.networks import build
from training.plan import Plan, plan_echo
from training.recipes import TUTORIAL
from training.sequences.generated import tutorial_sequence

SEED = 0
"""One of two seeds of 0 to 39 whose final many_to_one loss is above float32's rounding, so that losses can be compared."""


def as_written(model: keras.Model, settled: Plan) -> None:
    """The tutorial: reshape the sequence, compile, fit."""
    sequence = tutorial_sequence(settled.length)
    shapes: dict[TopologyName, tuple[tuple[int, ...], tuple[int, ...], int]] = {
        "one_to_one": ((LENGTH, 1, 1), (LENGTH, 1), LENGTH),
        "many_to_one": ((1, LENGTH, 1), (1, LENGTH), 1),
        "many_to_many": ((1, LENGTH, 1), (1, LENGTH, 1), 1),
    }
    inputs, targets, batch = shapes[settled.topology.name]
    model.compile(loss="mean_squared_error", optimizer="adam")
    model.fit(sequence.reshape(inputs), sequence.reshape(targets), epochs=settled.steps, batch_size=batch, verbose=0)


def compiled(model: keras.Model, settled: Plan) -> None:
    for _progress in fit(model, settled):
        pass


def measured(train: Callable[[keras.Model, Plan], None], settled: Plan) -> tuple[float, float]:
    """Seconds, and the mean squared error at the end."""
    model = build(settled.network, settled.length, settled.seed)
    begun = time.perf_counter()
    train(model, settled)
    seconds = time.perf_counter() - begun
    sequence = tutorial_sequence(settled.length)
    shape = (-1, 1, 1) if settled.topology.name == "one_to_one" else (1, -1, 1)
    answer = np.asarray(model(sequence.reshape(shape))).reshape(-1)
    return seconds, float(np.square(answer - sequence).mean())


def main() -> None:
    console = Console()
    table = Table(title=f"the tutorial's fit calls against the tutorial recipe, seed {SEED}")
    for column in ("topology", "epochs", "fit", "recipe", "times faster", "loss, fit", "loss, recipe"):
        table.add_column(column, justify="right" if column != "topology" else "left")
    results = {}
    for name in TOPOLOGY_NAMES:
        settled = plan_echo(TUTORIAL, name, LENGTH, SEED)
        console.print(f"{name}: {settled.steps} epochs, twice ...")
        fast, fast_loss = measured(compiled, settled)
        slow, slow_loss = measured(as_written, settled)
        results[name] = {"fit_s": slow, "recipe_s": fast, "fit_loss": slow_loss, "recipe_loss": fast_loss}
        losses = (f"{slow_loss:.3g}", f"{fast_loss:.3g}")
        table.add_row(name, str(settled.steps), f"{slow:.1f} s", f"{fast:.2f} s", f"{slow / fast:.0f}", *losses)
    total_slow, total_fast = (sum(result[side] for result in results.values()) for side in ("fit_s", "recipe_s"))
    table.add_section()
    table.add_row("all", "", f"{total_slow:.1f} s", f"{total_fast:.2f} s", f"{total_slow / total_fast:.0f}", "", "")
    console.print(table)
    console.print_json(json.dumps({"times_faster": total_slow / total_fast, **results}), indent=None)


if __name__ == "__main__":
    main()
