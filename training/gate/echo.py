"""The accuracy of an echo: its largest error on held-out rows, at the edges of the domain, and at every length."""

import math
from collections.abc import Iterator

import numpy as np

from contract.manifest import Figure
from contract.rows import Floats, Rows
from training.gate.exported import FAILURES, Exported, worse
from training.plan import Plan
from training.sequences.generated import edge_rows, random_rows, tutorial_sequence

EVERY_LENGTH_TO = 256
"""Tries each length up to this one, then the highest: no length in between is special."""
HELD_OUT_ROWS = 20_000


def accuracy(exported: Exported, plan: Plan) -> Iterator[Figure]:
    """The figures of a whole echo."""
    yield held_out(exported, plan)
    if plan.echo.one_sequence:  # for other rows no right answer is known
        return
    if plan.data is not None:
        yield _random(exported, plan)
    for name, rows in edge_rows(plan.length, plan.domain):
        yield Figure(name=f"error, {name}", value=_error(exported, _rows(rows)), bar=plan.bars.edges)
    if plan.topology.per_step:
        yield from _every_length(exported, plan)


def held_out(exported: Exported, plan: Plan) -> Figure:
    """The error on the rows that are held out from training."""
    if plan.echo.one_sequence:
        error = _error(exported, _rows(tutorial_sequence(plan.length)[None]))
        return Figure(name="error, its one sequence", value=error, bar=plan.bars.random)
    if plan.data is not None:
        own = plan.data.inputs(plan.data.held_out.some(HELD_OUT_ROWS))
        return Figure(name="error, held-out rows", value=_error(exported, own), bar=plan.bars.held_out)
    return _random(exported, plan)


def _random(exported: Exported, plan: Plan) -> Figure:
    rows = _rows(random_rows(plan.seed, HELD_OUT_ROWS, plan.length, plan.domain))
    return Figure(name=f"error, {_random_rows(plan)}", value=_error(exported, rows), bar=plan.bars.random)


def _random_rows(plan: Plan) -> str:
    """The name of generated rows in figures: with the user's data, held-out rows are the user's."""
    return "held-out rows" if plan.data is None else "random rows"


def _every_length(exported: Exported, plan: Plan) -> Iterator[Figure]:
    random = edges = 0.0
    for length in [*range(1, EVERY_LENGTH_TO + 1), plan.highest_length]:
        random = worse(random, _error(exported, _rows(random_rows(plan.seed, 8, length, plan.domain))))
        corners = np.concatenate([rows for _, rows in edge_rows(length, plan.domain)])
        edges = worse(edges, _error(exported, _rows(corners)))
    lengths = f"1..{EVERY_LENGTH_TO}, {plan.highest_length}"
    yield Figure(name=f"error, {_random_rows(plan)}, {lengths}", value=random, bar=plan.bars.random)
    yield Figure(name=f"error, edges, {lengths}", value=edges, bar=plan.bars.edges)


def _rows(sequences: Floats) -> Rows:
    """(rows, length) of one feature."""
    return Rows(sequences.reshape(-1, 1), [sequences.shape[1]] * len(sequences))


def _error(exported: Exported, rows: Rows) -> float:
    """Largest |output - input|; infinite where the answer has another shape than the rows."""
    try:
        values = exported(rows)
    except FAILURES:
        return math.inf
    # (items, 1), or (rows, length) from many_to_one
    wanted = rows.values if len(values) == len(rows.values) else rows.values.reshape(len(rows.lengths), -1)
    return float(np.abs(values - wanted).max()) if values.shape == wanted.shape else math.inf
