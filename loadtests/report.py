"""The results of a load test: figures for each model, the verdict, and the printed table."""

from pathlib import Path

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table


class Figures(BaseModel):
    """One model's requests. Times are milliseconds from the first sent byte to the last read byte."""

    model: str
    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    failures: int  # requests without a right answer
    wrong: int  # failures with status 200 and a wrong answer
    other_version: int = 0  # answers of another version than the one at the start; only their shape was checked


class Failure(BaseModel):
    """One kind of failure, and how often it happened."""

    model: str
    what: str
    times: int


class Summary(BaseModel):
    """Locust's process writes it at its end; ours reads it."""

    figures: list[Figures]
    failures: list[Failure]

    @property
    def passed(self) -> bool:
        """Every model had requests, and every answer was right."""
        return bool(self.figures) and all(f.requests > 0 and f.failures == 0 for f in self.figures)


def print_summary(summary: Summary, console: Console) -> None:
    """The table, then each kind of failure, then one sentence."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption="p50, p95, p99: milliseconds", caption_justify="left")
    table.add_column("model", overflow="fold")
    for header in ("requests", "req/s", "p50", "p95", "p99", "failures", "wrong"):
        table.add_column(header, justify="right", no_wrap=True)
    for f in summary.figures:
        times = (f"{value:.2f}" for value in (f.p50, f.p95, f.p99))
        row = (f"{f.requests:,}", f"{f.per_second:,.1f}", *times, f"{f.failures:,}", f"{f.wrong:,}")
        table.add_row(f.model, *row, style="red" if f.failures or not f.requests else None)
    console.print(table)
    for failure in summary.failures:
        console.print(f"{failure.model}: {failure.times:,} x {failure.what}", style="red", markup=False)
    for f in summary.figures:
        if f.other_version:
            what = "answers came from another version than at the start; only their shape was checked"
            console.print(f"{f.model}: {f.other_version:,} {what}", style="yellow", markup=False)
    console.print(_sentence(summary))


def print_files(folder: Path, console: Console) -> None:
    """The paths of the files in `folder`, one a line without wrapping, so that a terminal can open them."""
    for path in sorted(folder.iterdir()):
        console.print(str(path), soft_wrap=True, highlight=False, markup=False)


def _sentence(summary: Summary) -> str:
    silent = [f.model for f in summary.figures if not f.requests]
    wrong = sum(f.wrong for f in summary.figures)
    failed = sum(f.failures for f in summary.figures) - wrong
    if summary.passed:
        answers, others = sum(f.requests for f in summary.figures), sum(f.other_version for f in summary.figures)
        if others:
            return f"passed: {answers - others:,} answers are right; of {others:,} more the shape is right"
        return f"passed: all {answers:,} answers are right"
    parts = [f"{wrong:,} wrong answers"] if wrong else []
    parts += [f"{failed:,} failed requests"] if failed else []
    parts += [f"nothing measured for {', '.join(silent)}"] if silent else []
    return f"FAILED: {'; '.join(parts) or 'nothing measured'}"
