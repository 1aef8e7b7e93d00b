"""What `data check` shows: counts, the distribution of values, the classes, the split, warnings and faults."""

from typing import TYPE_CHECKING

from rich.markup import escape

from training.console.screen import console
from training.sequences.source import Fault, many

if TYPE_CHECKING:  # importing Arrow would slow `--help` down
    from training.sequences.report import Report, Spread

BAR = 40
"""Characters of the histogram's longest bar."""
MOST_LINES = 20
"""Features or classes with a line each."""


def show_report(report: "Report") -> None:
    console.rule(escape(f"{report.file}: {report.task}, {report.layout}"))
    unit = "item" if report.task == "echo" else "step"
    lengths = ", ".join(f"{which} {length:,}" for which, length in report.lengths.items())
    console.print(f"{many(report.items, unit)} in {many(report.sequences, 'sequence')}; lengths: {lengths or 'none'}")
    if report.task != "echo":
        answer = f"a forecast of {many(report.horizon, 'step')}" if report.horizon else "an answer"
        console.print("an answer for each step" if report.per_step else f"{answer} for each row")
    for word, spreads in (("inputs", report.features), ("targets", report.targets)):
        if len(spreads) == 1 and word == "inputs":
            _show_spread(word, next(iter(spreads.values())))
        else:
            _show_spreads(word, spreads)
    _show_classes(report)
    if (facts := report.facts) is not None:
        which = "blocks of time" if facts.split == "by blocks of time" and not facts.test_file else "sequences"
        rows = f"{facts.length}" if facts.shortest == facts.length else f"{facts.shortest} to {facts.length}"
        units = unit if rows == "1" else f"{unit}s"
        stride = f", stride {facts.stride}" if report.windows or report.task == "echo" else ""
        beside = f": held out is {escape(facts.test_file)}" if facts.test_file else ""
        console.print(f"split {facts.split}{beside}, seed {facts.split_seed}; rows of {rows} {units}{stride}")
        taught, judged = (
            f"{which[:-1] if number == 1 and which == 'sequences' else which:<{len(which)}}"
            for number in (facts.sequences_train, facts.sequences_held_out)
        )
        console.print(f"  to train on {facts.sequences_train:>10,} {taught} {facts.rows_train:>12,} rows")
        if facts.rows_validation:
            console.print(f"  to validate {'':>10} {'':{len(which)}} {facts.rows_validation:>12,} rows")
        console.print(f"  held out    {facts.sequences_held_out:>10,} {judged} {facts.rows_held_out:>12,} rows")
        console.print(f"sha256 {facts.sha256}")
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    if report.faults:
        show_faults(report.faults, report.faults_in_all)


def show_faults(faults: list[Fault], total: int) -> None:
    described = sum(fault.cells for fault in faults)
    more = f", the first {described} of them" if total > described else ""
    console.print(f"[bold red]{total:,} {'fault' if total == 1 else 'faults'}{more}:[/]")
    for fault in faults:
        console.print(f"  {escape(str(fault))}")


def _show_spread(name: str, spread: "Spread") -> None:
    console.print(f"{name} from {spread.low:.6g} to {spread.high:.6g}")
    console.print("  quantiles " + "  ".join(f"{at}: {value:.6g}" for at, value in spread.quantiles.items()))
    step, most = (spread.high - spread.low) / len(spread.histogram), max(spread.histogram)
    for number, count in enumerate(spread.histogram):
        length = -(-count * BAR // most)
        console.print(f"  {spread.low + number * step:>12.6g} {'█' * length:<{BAR}} {count:,}")


def _show_spreads(word: str, spreads: "dict[str, Spread]") -> None:
    width = max((len(name[:40]) for name in spreads), default=0)
    for name, spread in list(spreads.items())[:MOST_LINES]:
        shown = escape(f"{name[:40]:<{width}}")
        console.print(f"{word[:-1]} {shown}  from {spread.low:.6g} to {spread.high:.6g}, median {spread.quantiles['0.5']:.6g}")
    if len(spreads) > MOST_LINES:
        console.print(f"... {len(spreads) - MOST_LINES} {word} more")


def _show_classes(report: "Report") -> None:
    unit = "step" if report.per_step else "row"
    width = max((len(name[:40]) for name in report.classes), default=0)
    for name, count in list(report.classes.items())[:MOST_LINES]:
        tested = f", {report.test_classes[name]:,} in the test file" if report.test_classes else ""
        console.print(f"class {escape(f'{name[:40]:<{width}}')}  {many(count, unit)}{tested}")
    if len(report.classes) > MOST_LINES:
        console.print(f"... {len(report.classes) - MOST_LINES} classes more")
