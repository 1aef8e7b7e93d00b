"""What `data check` shows: counts, the distribution of values, the split, warnings and faults."""

from typing import TYPE_CHECKING

from rich.markup import escape

from training.console.screen import console
from training.sequences.source import Fault

if TYPE_CHECKING:  # importing Arrow would slow `--help` down
    from training.sequences.check import Report, Spread

BAR = 40
"""Characters of the histogram's longest bar."""


def show_report(report: "Report") -> None:
    console.rule(escape(f"{report.file}: {report.task}, {report.layout}"))
    lengths = ", ".join(f"{which} {length:,}" for which, length in report.lengths.items())
    console.print(f"{report.items:,} items in {report.sequences:,} sequences; lengths: {lengths or 'none'}")
    for name, spread in (("inputs", report.inputs), ("targets", report.targets)):
        if spread is not None:
            _show_spread(name, spread)
    if (facts := report.facts) is not None:
        which = "sequences" if facts.split == "by sequence" else "blocks of time"
        console.print(f"split {facts.split}, seed {facts.split_seed}; rows of {facts.length} items, stride {facts.stride}")
        console.print(f"  to train on {facts.sequences_train:>10,} {which} {facts.rows_train:>12,} rows")
        console.print(f"  held out    {facts.sequences_held_out:>10,} {which} {facts.rows_held_out:>12,} rows")
        console.print(f"sha256 {facts.sha256}")
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    if report.faults:
        show_faults(report.faults, report.faults_in_all)


def show_faults(faults: list[Fault], total: int) -> None:
    more = f", the first {len(faults)} of them" if total > len(faults) else ""
    console.print(f"[bold red]{total:,} {'fault' if total == 1 else 'faults'}{more}:[/]")
    for fault in faults:
        console.print(f"  {escape(str(fault))}", soft_wrap=True)


def _show_spread(name: str, spread: "Spread") -> None:
    console.print(f"{name} from {spread.low:.6g} to {spread.high:.6g}")
    console.print("  quantiles " + "  ".join(f"{at}: {value:.6g}" for at, value in spread.quantiles.items()))
    step, most = (spread.high - spread.low) / len(spread.histogram), max(spread.histogram)
    for number, count in enumerate(spread.histogram):
        length = -(-count * BAR // most)
        console.print(f"  {spread.low + number * step:>12.6g} {'█' * length:<{BAR}} {count:,}")
