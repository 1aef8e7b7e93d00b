"""Which task the data is for: checks the user's wishes against each other, and against what the file holds."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.manifest import Task
from contract.rows import Floats, Ints
from training.sequences.classes import coded, unfit
from training.sequences.columns import listed
from training.sequences.formats.found import Found
from training.sequences.source import Source, refuse

STEPS: Final = "--topology many_to_many (or one_to_one)"
ROWS: Final = "--topology many_to_one"


@dataclass(eq=False)
class Settled:
    """The task, and the right answers in its form."""

    task: Task
    per_step: bool  # whether each step has an answer, or each row
    of_items: bool = True  # whether `targets` or `codes` are those of steps, or of sequences
    targets: Floats | None = None  # (items, T) or (sequences, T)
    codes: Ints | None = None  # (items,) or (sequences,): the number of the class
    goals: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def answers(self) -> Floats | Ints | None:
        return self.targets if self.codes is None else self.codes


def check_wishes(source: Source) -> None:
    """Raise DataRefused where the user's wishes contradict each other."""
    task = source.task
    if source.horizon is not None and task != "forecast":
        refuse(source, "--horizon is that of a forecast: add --task forecast, or leave --horizon out")
    if task == "forecast" and source.length is None:
        refuse(source, "choose how many steps the model sees, and how many it forecasts: for instance --length 36 --horizon 12")
    if task == "forecast" and source.per_step and (source.horizon or 1) > 1:
        refuse(source, f"with an answer per step a forecast is that of the next step: leave --horizon out, or {ROWS}")
    if task == "classify" and source.per_step:
        refuse(source, f"--task classify answers with a class for each row: {ROWS}; for a class of each step --task label")
    if task == "label" and source.per_step is False:
        refuse(source, f"--task label answers with a class for each step: {STEPS}; for a class of each row --task classify")
    if source.label and source.target and task != "forecast":
        refuse(source, "--label names classes and --target names numbers: choose one of them")
    if source.label and task in ("echo", "forecast", "regress"):
        refuse(source, f"--label is that of --task classify or --task label, not of {task}: leave it out, or change --task")
    if source.target and task in ("echo", "classify", "label"):
        refuse(source, f"--target is that of --task regress or --task forecast, not of {task}: leave it out, or change --task")


def settle(found: Found, official: int, source: Source) -> Settled:
    """The task of the data. The last `official` sequences are those of the test file. Adds faults to `found`."""
    labelled, aimed = found.labels is not None, found.targets is not None
    task: Task = source.task or ("classify" if labelled else "regress" if aimed else "echo")
    if task in ("classify", "label") and not labelled:
        refuse(
            source,
            f"--task {task} expected labels; received columns {listed(_columns(found))}: name the classes' column by --label",
        )
    if task == "regress" and not aimed:
        refuse(
            source, f"--task regress expected targets; received columns {listed(_columns(found))}: name them by --target a,b"
        )
    if task == "echo" and len(found.features) > 1:
        refuse(
            source,
            f"an echo has one feature; received {len(found.features)}: --features {found.features[0][:100]}, or another --task",
        )
    if task == "forecast":
        return Settled(task, bool(source.per_step), goals=source.target or tuple(found.features))
    if task == "echo":
        return Settled(task, source.per_step is not False)
    if task == "regress" and found.targets is not None:
        return _regress(found, found.targets, source)
    return _classes(found, official, source)


def _columns(found: Found) -> list[str]:
    return [*found.features, *found.goals[: 0 if found.targets is None else None], *found.unread]


def _regress(found: Found, targets: Floats, source: Source) -> Settled:
    settled = Settled("regress", found.per_step, found.per_step, targets, goals=tuple(found.goals))
    if source.per_step and not found.per_step:
        found.faults.add(None, None, f"targets are those of rows: {ROWS}, or give a target for each step")
    if source.per_step is False and found.per_step:
        settled.per_step = False  # the answer to a row is that of its last step
    if source.per_step is None and found.per_step and len(found.lengths) > 1 and not found.even:
        settled.per_step = not all(_constant(targets[:, place], found.lengths) for place in range(len(found.goals)))
    return settled


def _classes(found: Found, official: int, source: Source) -> Settled:
    codes, classes = coded(found.labels)
    wants_rows = source.task == "classify" or source.per_step is False
    wants_steps = source.task == "label" or source.per_step
    of_items = found.per_step
    if not of_items and wants_steps:
        found.faults.add(None, found.label, f"labels are those of rows: {ROWS} --task classify, or give a label for each step")
    elif of_items and not wants_steps:
        constant = _constant(codes, found.lengths)
        if wants_rows and not constant:
            found.faults.add(
                None, found.label, f"labels change within a sequence: --task label {STEPS}, or give each sequence one label"
            )
        if constant and (wants_rows or len(found.lengths) > 1):
            codes, of_items = codes[np.cumsum(found.lengths) - found.lengths], False
    if reason := unfit(codes, classes, of_items):
        found.faults.add(None, found.label, reason)
    if official:
        taught = codes[: int(found.lengths[:-official].sum())] if of_items else codes[:-official]
        known = np.bincount(taught[taught >= 0], minlength=len(classes)) > 0
        if unknown := [name for name, there in zip(classes, known, strict=True) if not there]:
            which = f"class {unknown[0]} occurs" if len(unknown) == 1 else f"classes {listed(unknown)} occur"
            found.faults.add(None, found.label, f"{which} in the test file alone: leave these rows out of it")
    return Settled("label" if of_items else "classify", of_items, of_items, codes=codes, classes=tuple(classes))


def _constant(values: Floats | Ints, lengths: Ints) -> bool:
    """Whether each sequence has one value."""
    inside = np.ones(max(0, len(values) - 1), np.bool_)
    edges = np.cumsum(lengths)[:-1] - 1
    inside[edges[(edges >= 0) & (edges < len(inside))]] = False
    return bool((values[1:] == values[:-1])[inside].all())


def joined(found: Found, test: Found, source: Source) -> Found:
    """Both files' sequences, those of the test file last. Raises DataRefused where it is of another form."""
    test_source = Source(source.test or "")
    if test.features != found.features:
        refuse(
            test_source,
            f"expected the features of {source.file}: {listed(found.features)}; received {listed(test.features)}: "
            "give both files the same columns",
        )
    for word, mine, theirs in (("labels", found.labels, test.labels), ("targets", found.targets, test.targets)):
        if (mine is None) != (theirs is None):
            what = "without" if theirs is None else "with"
            refuse(test_source, f"is {what} {word}, unlike {source.file}: give both files the same columns")
    if found.goals != test.goals or (
        found.per_step != test.per_step and (found.labels is not None or found.targets is not None)
    ):
        refuse(test_source, f"has answers of another form than {source.file}: give both files the same columns")
    found.values = np.concatenate([found.values, test.values])
    found.lengths = np.concatenate([found.lengths, test.lengths])
    if found.targets is not None and test.targets is not None:
        found.targets = np.concatenate([found.targets, test.targets])
    if found.labels is not None:
        found.labels = pa.concat_arrays([pc.cast(each.labels, pa.large_string()) for each in (found, test)])
    found.times = None if found.times is None or test.times is None else np.concatenate([found.times, test.times])
    found.rows, found.names = None, None
    found.even = found.even and test.even
    found.warnings += [f"{test_source.file}: {warning}" for warning in test.warnings]
    return found
