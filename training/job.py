"""One training job from plan to published version, recorded under `runs/<run id>/` (training/runs/record.py).

    train_all(plans, store, Wish(...))      python -m training run, retrain
    resume(folder)                          python -m training resume ID

Whatever ends it, `carry_out` can be called again: it goes on from the last checkpoint, to the same weights, and what is already
in the store is not put there twice.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import keras

from contract.aliases import PRODUCTION
from contract.atomic_files import write_atomically
from contract.manifest import Figure, GoldenPair
from contract.rows import Rows
from contract.store import ModelStore, new_version
from contract.store_reader import BrokenVersion
from training import environment, interrupts
from training.console import job as shown
from training.console import screen
from training.fit import adam_of, fit, tensorboard
from training.gate import Exported, against_production, judge
from training.networks import build, export
from training.publish import first_input, golden_inputs, manifest_for, publish
from training.recipes import Plan
from training.runs import checkpoints, record
from training.runs.checkpoints import Checkpoint
from training.runs.plan import RunPlan, recipe_values
from training.runs.record import Run


class Wish(NamedTuple):
    """What is wanted of a job besides its plans."""

    alias: str | None = None  # none: the recipe's
    runs: Path = record.RUNS
    against_production: bool = False
    checkpoint_seconds: float = 2.0


def train_all(plans: list[Plan], store: ModelStore, wish: Wish) -> int:
    """The exit code: 0 when all were published, 1 when the gate refused one or it cannot be written, 130 after Ctrl-C."""
    # Each when the one before has ended.
    return _in_turn(record.begin(wish.runs, _written(plan, store, wish), plan.data) for plan in plans)


def resume(folder: Path) -> int:
    """Go on with a run; the same exit codes. Raises NoRun where there is nothing to do, or another process does it."""
    record.read(folder).plan.again(folder)  # what cannot be gone on with keeps its status
    return _in_turn(record.take_up(folder) for _ in range(1))


def _in_turn(begun: Iterable[Run]) -> int:
    outcomes: list[shown.Outcome] = []
    under_way: Run | None = None
    try:
        with interrupts.heard():
            for run in begun:
                under_way = run
                with run, screen.logged(run.folder / "log.txt"):
                    outcomes.append(carry_out(run))
                under_way = None
                interrupts.check()  # before the next has begun
    except KeyboardInterrupt:
        shown.show_stopped("Interrupted", under_way)
        return 130
    except (OSError, BrokenVersion) as error:
        shown.show_stopped(f"Cannot go on: {(under_way or record).sentence(error)}", under_way)
        return 1
    finally:
        if outcomes:
            shown.show_outcomes(outcomes)
    return 1 if any(outcome.refused for outcome in outcomes) else 0


def carry_out(run: Run) -> shown.Outcome:
    """Do what is left of a run, up to its end. Raises OSError or BrokenVersion where store or record fail."""
    plan, store = run.plan.again(run.folder), ModelStore(run.plan.store)
    volume = _volume(store, create=not (run.folder / "metrics.jsonl").exists())
    store.check_ready(plan.name)  # now rather than after training
    if run.published():  # killed between publishing and its last word
        screen.console.print(f"{plan.name}:{run.plan.version} is in the store already")
        gate = store.verify(plan.name, run.plan.version).gate
        store.mark_latest(plan.name)
        return _named(run, store, plan, gate)

    shown.show_plan(plan)
    model = build(plan.topology, plan.units, plan.length, plan.seed)
    model.summary(print_fn=screen.console.print)
    interrupts.check()
    _fit(model, plan, run)
    run.note(weights=hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest())

    saved_model = run.folder / "saved_model"
    _export(model, plan, saved_model)
    exported = Exported(saved_model, plan.topology)
    answer = exported(Rows.of([first_input(plan)]))
    shown.show_answers(first_input(plan).tolist(), answer.tolist(), plan)

    screen.console.print("gate")
    gate = []
    for figure in _gate(model, saved_model, plan, run, store):
        screen.show_figure(figure)
        gate.append(figure)
    gate_json = run.folder / "gate.json"
    write_atomically(gate_json, record.FIGURES.dump_json(gate, indent=2))
    if not all(figure.passed for figure in gate):
        run.end("refused", "; ".join(figure.name for figure in gate if not figure.passed))
        return shown.Outcome(plan, None, run.worked(), gate, str(run.folder))

    golden = [GoldenPair(input=row.tolist(), output=exported(Rows.of([row])).tolist()) for row in golden_inputs(plan)]
    manifest = manifest_for(plan, run.plan.version, run.plan.id, gate, golden)
    if _volume(store) != volume:
        raise OSError(f"{store.root} is another folder than when training began: has the store's volume gone?")
    publish(store, manifest, saved_model, gate_json)
    return _named(run, store, plan, gate)


def _written(plan: Plan, store: ModelStore, wish: Wish) -> RunPlan:
    return RunPlan(
        model=plan.name,
        version=new_version(),
        topology=plan.topology.name,
        length=plan.length,
        recipe=plan.recipe.name,
        recipe_values=recipe_values(plan),
        units=plan.units,
        steps=plan.steps,
        seed=plan.seed,
        data=None if plan.data is None else plan.data.facts,
        alias=wish.alias or plan.recipe.alias,
        against_production=wish.against_production,
        checkpoint_seconds=wish.checkpoint_seconds,
        store=store.root.absolute(),
        commit=environment.commit(),
        created=datetime.now(UTC),
    )


def _volume(store: ModelStore, create: bool = False) -> tuple[int, int]:
    """Which folder the store is. Raises OSError where it was and is not any more."""
    if create:
        store.root.mkdir(parents=True, exist_ok=True)
    elif not store.root.is_dir():  # making it would publish beside the volume that ought to be here
        raise OSError(f"the store {store.root} is not there any more: has its volume gone?")
    found = store.root.stat()
    return found.st_dev, found.st_ino


def _fit(model: keras.Model, plan: Plan, run: Run) -> None:
    """Train from the last checkpoint, or from the start, and leave a checkpoint of the end."""
    kept = run.folder / "checkpoints"
    adam = adam_of(model)
    last = checkpoints.newest(kept, screen.console.print) or Checkpoint(0, 0.0, adam.state())
    adam.restore(last.step, last.state)
    if last.step:
        screen.console.print(f"continues after step {last.step:,}")
    record.keep_metrics(run.folder, last.step)
    written = time.monotonic()
    with (
        (run.folder / "metrics.jsonl").open("a", buffering=1) as metrics,
        tensorboard(run.folder) as board,
        shown.progress(plan.name, plan.steps) as report,
    ):
        for since in fit(model, plan, adam):
            interrupts.check()
            progress = since._replace(seconds=last.seconds + since.seconds)
            metrics.write(json.dumps(progress._asdict()) + "\n")
            board(progress)
            report(progress.step, progress.loss)
            if progress.step == plan.steps or time.monotonic() - written >= run.plan.checkpoint_seconds:
                checkpoints.save(kept, Checkpoint(progress.step, progress.seconds, adam.state()))
                written = time.monotonic()


def _export(model: keras.Model, plan: Plan, saved_model: Path) -> None:
    if saved_model.exists():  # what a killed process left
        shutil.rmtree(saved_model)
    try:
        export(model, plan.topology, saved_model, plan.scaling)
    except OSError:
        shutil.rmtree(saved_model)  # on a full disk it makes room for the status
        raise


def _gate(model: keras.Model, saved_model: Path, plan: Plan, run: Run, store: ModelStore) -> Iterator[Figure]:
    yield from judge(model, saved_model, plan)
    if not run.plan.against_production:
        return
    production = store.aliases(plan.name).get(PRODUCTION)
    if production is None:
        screen.console.print(f"  {plan.name} has no production version to compare with")
        return
    try:
        store.verify(plan.name, production.version)
    except BrokenVersion as error:  # it cannot be served either: what is trained now is the cure
        screen.console.print(f"  production {production.version} is broken, so nothing to compare with: {error}")
        return
    run.note(compared_with=production.version)
    yield against_production(saved_model, store.path(plan.name, production.version), plan)


def _named(run: Run, store: ModelStore, plan: Plan, gate: list[Figure]) -> shown.Outcome:
    """The last step: the alias, unless a killed process got as far as that."""
    alias = store.aliases(plan.name).get(run.plan.alias)
    if alias is None or run.plan.version not in {event.version for event in alias.history if event.what == "promote"}:
        store.promote(plan.name, run.plan.alias, run.plan.version)
    run.end("published")
    return shown.Outcome(plan, run.plan.version, run.worked(), gate, str(run.folder))
