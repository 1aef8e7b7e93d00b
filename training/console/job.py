"""What a training job shows: the plan, progress with loss and time left, answers, the outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from contract.manifest import Figure
from training.console.screen import console, resume_command
from training.recipes import Plan
from training.runs.record import Run

LINES = 10
"""Lines of progress without a terminal."""


class Outcome(NamedTuple):
    plan: Plan
    version: str | None  # None: refused
    seconds: float
    gate: list[Figure]
    run_dir: str

    @property
    def refused(self) -> list[Figure]:
        return [figure for figure in self.gate if not figure.passed]

    @property
    def worst_error(self) -> float:
        return max(figure.value for figure in self.gate if figure.name.startswith("error"))


class Reporter(Protocol):
    def __call__(self, step: int, loss: float) -> None: ...


def show_plan(plan: Plan) -> None:
    counted = plan.topology.parameters(plan.units, plan.length)
    console.rule(f"{plan.name}: recipe {plan.recipe.name}, seed {plan.seed}")
    if plan.data is not None:
        facts = plan.data.facts
        console.print(f"{facts.rows_train:,} rows to train on, {facts.rows_held_out:,} held out, split {facts.split}")
    console.print(f"learns {plan.recipe.about}; length {plan.length}, {plan.units} units, {plan.steps:,} steps")
    console.print(f"{plan.topology.model_input} -> LSTM({plan.units}) -> {plan.topology.head} -> {plan.topology.model_output}")
    console.print(f"LSTM   4 * ((inputs + 1) * units + units^2) = {counted.lstm_worked} = {counted.lstm}")
    console.print(f"Dense  inputs * outputs + outputs           = {counted.dense_worked} = {counted.dense}")
    console.print(f"total  {counted.lstm} + {counted.dense} = {counted.total} parameters")


@contextmanager
def show_progress(name: str, steps: int) -> Iterator[Reporter]:
    """Show a line for every tenth of the steps. On a terminal the lines go into the log, and a bar is shown."""
    lines = console.copy if console.is_terminal else console
    tenths = 0

    def line(step: int, loss: float) -> None:
        nonlocal tenths
        if step * LINES // steps > tenths or step == steps:
            tenths = step * LINES // steps
            if lines is not None:
                lines.print(f"{name}: step {step:,} of {steps:,}, loss {loss:.3g}")

    if not console.is_terminal:
        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]}"), console=console) as bars:
        task = bars.add_task(name, total=steps, loss="...")

        def bar(step: int, loss: float) -> None:
            line(step, loss)
            bars.update(task, completed=step, loss=f"{loss:.3g}")

        yield bar


def show_answers(sequence: list[float], answers: list[float], plan: Plan) -> None:
    """Answers with one decimal, as in the tutorial; for the user's data with four digits."""
    if plan.data is not None:
        targets = [] if plan.data.echo else [("target  ", plan.data.held_out_rows(1).targets[0].tolist())]
        for name, values in (("sequence", sequence), *targets, ("answer  ", answers)):
            console.print(f"{name}  " + " ".join(f"{value:.4g}" for value in values))
        return
    console.print("sequence  " + " ".join(f"{value:.1f}" for value in sequence))
    console.print("answer    " + " ".join(f"{round(value, 1) + 0.0:.1f}" for value in answers))  # + 0.0: no -0.0


def show_outcomes(outcomes: list[Outcome]) -> None:
    table = Table(title="Trained")
    for column in ("model", "recipe", "units", "parameters", "largest error", "time", "result"):
        table.add_column(column, no_wrap=column == "model")
    for outcome in outcomes:
        plan = outcome.plan
        parameters = plan.topology.parameters(plan.units, plan.length).total
        figures = (str(plan.units), str(parameters), f"{outcome.worst_error:.4f}", f"{outcome.seconds:.1f} s")
        table.add_row(plan.name, plan.recipe.name, *figures, "published" if outcome.version else "[bold red]REFUSED[/]")
    console.print(table)
    for outcome in outcomes:
        for figure in outcome.refused:
            console.print(f"[bold red]{outcome.plan.name} refused:[/] {figure.name} {figure.value:.3g}, bar {figure.bar:g}")
    for outcome in outcomes:
        what = f"{outcome.plan.name}:{outcome.version}" if outcome.version else f"{outcome.plan.name}: nothing published"
        console.print(f"{what}  record in {outcome.run_dir}", soft_wrap=True)


def show_stopped(why: str, run: Run | None) -> None:
    """Show what stopped a job, what became of the current run, and how to continue."""
    console.print(f"\n[bold red]{escape(why)}.[/]", soft_wrap=True)
    if run is None:
        console.print("No run was in progress. `python -m training runs` lists all runs.", soft_wrap=True)
        return
    name = f"{run.plan.model}:{run.plan.version}"
    what = f"{name} is published, but {run.plan.alias} may not name it yet" if run.published() else "Nothing was published"
    console.print(f"{what}. Continue with: {resume_command(run.folder)}", soft_wrap=True)
