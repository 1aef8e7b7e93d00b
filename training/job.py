"""One training job from plan to published version, and its record under `runs/<run id>/`.

plan.json      what was to be trained
metrics.jsonl  a line a chunk: step, loss, learning rate, seconds;  the same for TensorBoard beside it
saved_model/   the export that the gate judged
gate.json      every figure and its bar
"""

import json
import time
from pathlib import Path

import keras
from pydantic import TypeAdapter

from contract.manifest import Figure, GoldenPair
from contract.store import ModelStore, new_version
from contract.topologies import Rows
from training import console
from training.fit import fit, tensorboard
from training.gate import Exported, judge
from training.models import build, export
from training.publish import first_input, golden_inputs, manifest_for, publish
from training.recipes import Plan


def train_all(plans: list[Plan], store: ModelStore, alias: str | None, runs: Path) -> int:
    """The exit code: 0 when all were published, 1 when the gate refused one."""
    outcomes: list[console.Outcome] = []
    try:
        for plan in plans:
            outcomes.append(train_one(plan, store, alias or plan.recipe.alias, runs))  # noqa: PERF401 - kept if the next fails
    except KeyboardInterrupt:
        console.console.print("\n[bold]Interrupted.[/] Nothing of the run under way was published.")
        return 130
    except OSError as error:
        console.console.print(f"[bold red]Cannot write:[/] {error}. Nothing of the run under way was published.")
        return 1
    finally:
        if outcomes:
            console.show_outcomes(outcomes)
    return 1 if any(outcome.refused for outcome in outcomes) else 0


def train_one(plan: Plan, store: ModelStore, alias: str, runs: Path) -> console.Outcome:
    begun = time.monotonic()
    version = new_version()
    folder = runs / f"{version}-{plan.name}"
    folder.mkdir(parents=True)
    _record_plan(plan, folder)

    console.show_plan(plan)
    model = build(plan.topology, plan.units, plan.length, plan.seed)
    model.summary(print_fn=console.console.print)
    _fit(model, plan, folder)

    export(model, plan.topology, folder / "saved_model", plan.scaling)
    exported = Exported(folder / "saved_model", plan.topology)
    answer = exported(Rows.of([first_input(plan)]))
    console.show_answers(first_input(plan).tolist(), answer.tolist(), plan)

    console.console.print("gate")
    gate: list[Figure] = []
    for figure in judge(model, folder / "saved_model", plan):
        console.show_figure(figure)
        gate.append(figure)
    gate_json = folder / "gate.json"
    gate_json.write_bytes(TypeAdapter(list[Figure]).dump_json(gate, indent=2))
    refused = not all(figure.passed for figure in gate)
    if not refused:
        golden = [GoldenPair(input=row.tolist(), output=exported(Rows.of([row])).tolist()) for row in golden_inputs(plan)]
        manifest = manifest_for(plan, version, folder.name, gate, golden)
        publish(store, manifest, folder / "saved_model", gate_json)
        store.set_alias(plan.name, alias, version)
    return console.Outcome(plan, None if refused else version, time.monotonic() - begun, gate, str(folder))


def _record_plan(plan: Plan, folder: Path) -> None:
    settled = {"model": plan.name, "recipe": plan.recipe.name, "topology": plan.topology.name, "length": plan.length}
    settled |= {"units": plan.units, "steps": plan.steps, "seed": plan.seed}
    if plan.data is not None:
        settled |= {"domain": plan.data.domain.model_dump(), "data": plan.data.facts.model_dump()}
    (folder / "plan.json").write_text(json.dumps(settled, indent=2) + "\n")


def _fit(model: keras.Model, plan: Plan, folder: Path) -> None:
    with (
        (folder / "metrics.jsonl").open("w") as metrics,
        tensorboard(folder) as board,
        console.progress(plan.name, plan.steps) as report,
    ):
        for progress in fit(model, plan):
            metrics.write(json.dumps(progress._asdict()) + "\n")
            board(progress)
            report(progress.step, progress.loss)
