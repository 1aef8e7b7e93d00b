"""What a training job shows: the plan, progress with loss and time left, answers, the outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from rich import progress as bars_of
from rich.markup import escape
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from contract.aliases import PRODUCTION
from contract.hints import typed
from contract.manifest import Figure, Score
from contract.rows import Floats
from training.console.screen import console, resume_command
from training.fitting.progress import Progress
from training.plan import Plan
from training.runs.record import Run

LINES = 10
"""Lines of progress without a terminal."""
SHOWN = 12
"""Numbers of a row that are shown."""
SHOWN_STEPS = 2
"""Steps that are shown of a row with several numbers a step."""


class Outcome(NamedTuple):
    plan: Plan
    version: str | None  # None: refused
    alias: str  # of the version
    seconds: float
    gate: list[Figure]
    score: Score | None  # None: an echo
    advice: list[str]  # what to try, where the gate refused the model
    run_dir: str

    @property
    def refused(self) -> list[Figure]:
        return [figure for figure in self.gate if not figure.passed]

    @property
    def shown(self) -> str:
        """How good the model is: an echo's largest error, or the value of the metric."""
        if self.score is not None:
            return f"{self.score.metric} {self.score.value:.4g}"
        errors = [figure.value for figure in self.gate if figure.name.startswith("error")]
        return f"error {max(errors):.4f}" if errors else "no finite answers"


class Reporter(Protocol):
    def __call__(self, step: int, curve: str) -> None: ...


def show_plan(plan: Plan) -> None:
    network, counted = plan.network, plan.network.parameters
    console.rule(f"{plan.name}: recipe {plan.recipe.name}, seed {plan.seed}")
    if plan.data is not None:
        facts = plan.data.facts
        sides = (
            ("to train on", facts.rows_train),
            ("to choose the weights", facts.rows_validation),
            ("held out", facts.rows_held_out),
        )
        rows = ", ".join(f"{rows:,} {side}" for side, rows in sides if rows)
        console.print(f"rows: {rows}; split {facts.split}")
    console.print(f"learns {_learns(plan)}; length {plan.length}, {plan.steps:,} steps of {plan.batch} rows")
    console.print(plan.topology.drawn(network.units, network.features, network.outputs, network.layers))
    console.print(f"LSTM   4 * ((inputs + 1) * units + units^2) = {counted.lstm_worked} = {counted.lstm}")
    console.print(f"Dense  inputs * outputs + outputs           = {counted.dense_worked} = {counted.dense}")
    console.print(f"total  {counted.lstm} + {counted.dense} = {counted.total} parameters")


def _learns(plan: Plan) -> str:
    if plan.data is None:
        return plan.echo.about
    file = plan.data.facts.file
    if plan.task == "echo":
        return f"the echo in {file}, in its own units"
    return f"to {plan.task} {file}; inputs scaled by {plan.scaling.kind if plan.scaling else 'nothing'}"


def curve(progress: Progress) -> str:
    """The loss and the metric, and both on the validation rows."""
    said = f"loss {progress.loss:.3g}"
    if progress.validation_loss is not None:
        said += f" (validation {progress.validation_loss:.3g})"
    if progress.metric is not None:
        said += f", metric {progress.metric:.3g}"
    if progress.validation_metric is not None:
        said += f" (validation {progress.validation_metric:.3g})"
    return said


@contextmanager
def show_progress(name: str, steps: int) -> Iterator[Reporter]:
    """Show a line for every tenth of the steps. On a terminal the lines go into the log, and a bar is shown."""
    lines = console.copy if console.is_terminal else console
    tenths = 0

    def line(step: int, curve: str) -> None:
        nonlocal tenths
        if step * LINES // steps > tenths or step == steps:
            tenths = step * LINES // steps
            if lines is not None:
                lines.print(f"{name}: step {step:,} of {steps:,}, {curve}")

    if not console.is_terminal:
        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with bars_of.Progress(*columns, TextColumn("{task.fields[curve]}"), console=console) as bars:
        task = bars.add_task(name, total=steps, curve="...")

        def bar(step: int, curve: str) -> None:
            line(step, curve)
            bars.update(task, completed=step, curve=curve)

        yield bar


def show_answers(row: Floats, answer: Floats, plan: Plan) -> None:
    """The first held-out row, its right answer and the model's; with one decimal in the tutorial."""
    if plan.data is None:
        console.print("sequence  " + " ".join(f"{value:.1f}" for value in row[:, 0].tolist()))
        said = answer.reshape(-1).tolist()
        console.print("answer    " + " ".join(f"{round(value, 1) + 0.0:.1f}" for value in said))  # + 0.0: no -0.0
        return
    console.print(f"sequence  {_some(row)}")
    if plan.task == "echo":
        console.print(f"answer    {_some(answer)}")
        return
    right = plan.data.answers(plan.data.held_out.some(1))[: 1 if not plan.topology.per_step else len(row)]
    if plan.data.classes:
        names = np.array(plan.data.classes)
        console.print(f"right     {escape(_some(names[right]))}")
        console.print(f"answer    {escape(_some(names[answer.argmax(-1)]))}")
    else:
        console.print(f"right     {_some(right)}")
        console.print(f"answer    {_some(answer)}")


def _some(values: npt.NDArray[Any]) -> str:
    """The first values. Of steps with several numbers only the first steps, in brackets."""
    if len(values) == 1:  # one answer to a row
        values = values.reshape(-1)
    several = values.ndim > 1 and values.shape[1] > 1
    most = SHOWN_STEPS if several else SHOWN
    shown = [
        f"[{' '.join(map(_short, each[:SHOWN].tolist()))}{' ...' if len(each) > SHOWN else ''}]"
        if several
        else _short(each.reshape(-1)[0].item())
        for each in values[:most]
    ]
    return escape(" ".join(shown)) + (" ..." if len(values) > most else "")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_score(score: Score) -> None:
    """The metric beside the bar and every baseline."""
    bar = "" if score.bar is None else f", bar {score.bar:g}"
    console.print(
        f"{score.metric} {score.value:.4g} (95 % interval {score.low:.4g} to {score.high:.4g}{bar}), {score.rows:,} rows"
    )
    for name, value in score.baselines.items():
        console.print(f"  {name:<14} {value:.4g}{'  to be beaten' if name in score.beats else ''}")


def show_outcomes(outcomes: list[Outcome]) -> None:
    table = Table(title="Trained")
    for column in ("model", "units", "parameters", "held-out rows", "time", "result"):
        table.add_column(column, no_wrap=column == "model")
    for outcome in outcomes:
        plan = outcome.plan
        figures = (str(plan.units), str(plan.network.parameters.total), outcome.shown, f"{outcome.seconds:.1f} s")
        table.add_row(plan.name, *figures, "published" if outcome.version else "[bold red]REFUSED[/]")
    console.print(table)
    for outcome in outcomes:
        for figure in outcome.refused:
            least = "at least " if figure.at_least else ""
            console.print(
                f"[bold red]{outcome.plan.name} refused:[/] {figure.name} {figure.value:.3g}, bar {least}{figure.bar:g}"
            )
        for sentence in outcome.advice:
            console.print(escape(sentence))
    for outcome in outcomes:
        what = f"{outcome.plan.name}@{outcome.version}" if outcome.version else f"{outcome.plan.name}: nothing published"
        console.print(f"{what}  record in {outcome.run_dir}")
    _show_next([outcome for outcome in outcomes if outcome.version])


def _show_next(published: list[Outcome]) -> None:
    """What to type next."""
    if published:
        console.print(f"to serve it: {typed('serve')}")
    for outcome in published:
        if outcome.alias != PRODUCTION:
            promote = typed(f"promote {outcome.plan.name}@{outcome.alias}")
            console.print(f"to put it into production: {promote}")


def show_stopped(why: str, run: Run | None) -> None:
    """Show what stopped a job, what became of the current run, and how to continue."""
    console.print(f"\n[bold red]{escape(why)}.[/]")
    if run is None:
        console.print(f"No run was in progress. `{typed('runs')}` lists all runs.")
        return
    name = f"{run.plan.model}:{run.plan.version}"
    what = f"{name} is published, but {run.plan.alias} may not name it yet" if run.published() else "Nothing was published"
    console.print(f"{what}. Continue with: {resume_command(run.folder)}")
