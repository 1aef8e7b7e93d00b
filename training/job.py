"""One training job from plan to published version, recorded under `runs/<run id>/` (training/runs/record.py).

    train_all(plans, store, Wish(...))      unroll train, unroll retrain
    resume(folder)                          unroll resume ID

After any end `carry_out` can be called again. It continues from the last checkpoint to the same weights, and publishes a
version only once.
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
from contract.manifest import Figure, Score
from contract.rows import Rows
from contract.store import ModelStore, new_version
from contract.store_reader import BrokenVersion
from training import environment, interrupts
from training.console import screen
from training.console.job import Outcome, curve, show_answers, show_outcomes, show_plan, show_progress, show_score, show_stopped
from training.fit import Diverged, adam_of, fit, tensorboard
from training.gate.exported import Exported
from training.gate.judge import judge
from training.gate.production import against_production
from training.networks import build, export
from training.plan import Plan
from training.publish import first_row, golden_pairs, manifest_for, publish
from training.runs import checkpoints, record
from training.runs.checkpoints import Checkpoint
from training.runs.plan import RunPlan, recipe_values, settled_values
from training.runs.record import Run
from training.scores.advice import advice
from training.scores.score import Measured, measure


class Wish(NamedTuple):
    """What a job is asked to do, besides its plans."""

    alias: str | None = None  # None: the recipe's alias
    runs: Path = record.RUNS
    against_production: bool = False
    checkpoint_seconds: float = 2.0


def train_all(plans: list[Plan], store: ModelStore, wish: Wish) -> int:
    """Returns the exit code: 0 all published, 1 the gate refused a model or writing failed, 130 Ctrl-C."""
    # A generator: each run begins when the one before has ended.
    return _in_turn(record.begin(wish.runs, _written(plan, store, wish), plan.data) for plan in plans)


def resume(folder: Path) -> int:
    """Continue a run; the same exit codes. Raises NoRun where the run has ended, or another process works on it."""
    record.read(folder).plan.again(folder)  # checked first: a run that cannot continue keeps its status
    return _in_turn(record.take_up(folder) for _ in range(1))


def _in_turn(begun: Iterable[Run]) -> int:
    outcomes: list[Outcome] = []
    under_way: Run | None = None
    try:
        with interrupts.heard():
            for run in begun:
                under_way = run
                with run, screen.logged(run.folder / "log.txt"):
                    outcomes.append(carry_out(run))
                under_way = None
                interrupts.check()  # before the next run begins
    except KeyboardInterrupt:
        show_stopped("Interrupted", under_way)
        return 130
    except (OSError, BrokenVersion, Diverged) as error:
        show_stopped(f"Stopped: {(under_way or record).sentence(error)}", under_way)
        return 1
    finally:
        if outcomes:
            show_outcomes(outcomes)
    return 1 if any(outcome.refused for outcome in outcomes) else 0


def carry_out(run: Run) -> Outcome:
    """Do the rest of a run. Raises OSError or BrokenVersion where the store or the record fails."""
    plan, store = run.plan.again(run.folder), ModelStore(run.plan.store)
    volume = _volume(store, create=not (run.folder / "metrics.jsonl").exists())
    store.check_ready(plan.name)  # checked now, not only after training
    if run.published():  # an earlier process was killed after publishing
        screen.console.print(f"{plan.name}:{run.plan.version} is in the store already")
        manifest = store.verify(plan.name, run.plan.version)
        store.mark_latest(plan.name)
        return _named(run, store, plan, manifest.gate, manifest.score)

    show_plan(plan)
    model = build(plan.network, plan.length, plan.seed)
    model.summary(print_fn=screen.console.print)
    interrupts.check()
    done = _fit(model, plan, run)
    run.note(weights=hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest())

    saved_model = run.folder / "saved_model"
    _export(model, plan, saved_model)
    exported = Exported(saved_model, plan)
    row = first_row(plan)
    show_answers(row, exported(Rows(row, [len(row)])), plan)

    screen.console.print("gate")
    measured = None if plan.goal is None else measure(plan, exported.answers)
    scored = None if measured is None else measured.score()
    if scored is not None:
        show_score(scored)
    gate = []
    for figure in _gate(model, saved_model, plan, measured, run, store):
        screen.show_figure(figure)
        gate.append(figure)
    gate_json = run.folder / "gate.json"
    write_atomically(gate_json, record.FIGURES.dump_json(gate, indent=2))
    if not all(figure.passed for figure in gate):
        run.end("refused", "; ".join(figure.name for figure in gate if not figure.passed))
        return Outcome(plan, None, run.plan.alias, run.worked(), gate, scored, advice(plan, gate), str(run.folder))

    golden = golden_pairs(plan, exported.answers)
    manifest = manifest_for(run.plan, plan, gate, golden, scored, record.curve(run.folder), done)
    if _volume(store) != volume:
        raise OSError(f"{store.root} is another folder than when training began: check whether its volume is mounted")
    publish(store, manifest, saved_model, gate_json)
    return _named(run, store, plan, gate, scored)


def _written(plan: Plan, store: ModelStore, wish: Wish) -> RunPlan:
    return RunPlan(
        model=plan.name,
        version=new_version(),
        topology=plan.topology.name,
        task=plan.task,
        length=plan.length,
        recipe=plan.recipe.name,
        recipe_values=recipe_values(plan),
        chosen=settled_values(plan),
        seed=plan.seed,
        data=None if plan.data is None else plan.data.facts,
        alias=wish.alias or plan.alias,
        against_production=wish.against_production,
        checkpoint_seconds=wish.checkpoint_seconds,
        store=store.root.absolute(),
        commit=environment.commit(),
        created=datetime.now(UTC),
    )


def _volume(store: ModelStore, create: bool = False) -> tuple[int, int]:
    """The identity of the store's folder. Raises OSError where the folder is gone."""
    if create:
        store.root.mkdir(parents=True, exist_ok=True)
    elif not store.root.is_dir():  # a new folder would hide that the volume is missing
        raise OSError(f"the store {store.root} is gone: check whether its volume is mounted")
    found = store.root.stat()
    return found.st_dev, found.st_ino


def _fit(model: keras.Model, plan: Plan, run: Run) -> int:
    """Train from the last checkpoint, or from the start, up to a checkpoint at the end. Returns the steps done."""
    kept = run.folder / "checkpoints"
    adam = adam_of(model)
    last = checkpoints.newest(kept, screen.console.print) or Checkpoint(0, 0.0, adam.state())
    adam.restore(last.step, last.state)
    if last.step:
        screen.console.print(f"continues after step {last.step:,}")
    record.keep_metrics(run.folder, last.step)
    written, saved, seconds = time.monotonic(), last.step, last.seconds
    with (
        (run.folder / "metrics.jsonl").open("a", buffering=1) as metrics,
        tensorboard(run.folder) as board,
        show_progress(plan.name, plan.steps) as report,
    ):
        for since in fit(model, plan, adam):
            interrupts.check()
            progress = since._replace(seconds=last.seconds + since.seconds)
            seconds = progress.seconds
            metrics.write(json.dumps(progress._asdict()) + "\n")
            board(progress)
            report(progress.step, curve(progress))
            if time.monotonic() - written >= run.plan.checkpoint_seconds:
                checkpoints.save(kept, Checkpoint(progress.step, seconds, adam.state()))
                written, saved = time.monotonic(), progress.step
    done = int(adam.iterations)
    if done > saved:
        checkpoints.save(kept, Checkpoint(done, seconds, adam.state()))
    return done


def _export(model: keras.Model, plan: Plan, saved_model: Path) -> None:
    if saved_model.exists():  # a killed process left it
        shutil.rmtree(saved_model)
    try:
        export(model, plan.network, saved_model, plan.scaling)
    except OSError:
        shutil.rmtree(saved_model)  # on a full disk this makes room for the status
        raise


def _gate(
    model: keras.Model, saved_model: Path, plan: Plan, measured: Measured | None, run: Run, store: ModelStore
) -> Iterator[Figure]:
    yield from judge(model, saved_model, plan, measured)
    if not run.plan.against_production:
        return
    production = store.aliases(plan.name).get(PRODUCTION)
    if production is None:
        screen.console.print(f"  {plan.name} has no production version to compare with")
        return
    try:
        store.verify(plan.name, production.version)
    except BrokenVersion as error:  # it is not served either, so a new version must be possible
        screen.console.print(f"  production {production.version} is broken, so it is not compared with: {error}")
        return
    run.note(compared_with=production.version)
    yield against_production(saved_model, store.path(plan.name, production.version), plan)


def _named(run: Run, store: ModelStore, plan: Plan, gate: list[Figure], scored: Score | None) -> Outcome:
    """The last step: move the alias, unless an earlier process did so before it was killed."""
    alias = store.aliases(plan.name).get(run.plan.alias)
    if alias is None or run.plan.version not in {event.version for event in alias.history if event.what == "promote"}:
        store.promote(plan.name, run.plan.alias, run.plan.version)
    run.end("published")
    return Outcome(plan, run.plan.version, run.plan.alias, run.worked(), gate, scored, [], str(run.folder))
