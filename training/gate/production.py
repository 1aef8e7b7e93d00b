"""Whether a new version is as good as the one in production, on the same held-out rows."""

import math
from pathlib import Path
from typing import Final

from contract.manifest import Figure, Manifest
from contract.store_reader import MANIFEST
from training.described import described
from training.gate import echo
from training.gate.exported import Exported
from training.plan import Plan
from training.scores.metrics import HIGHER, no_worse_than
from training.scores.score import measure

MARGIN: Final = 0.1
"""A new echo may be worse than production by this part of the bar: seeds of a recipe differ by as much."""
INCOMPARABLE: Final = "cannot be compared with production"
"""Part of the name of a figure that fails since both versions do different things."""


def against_production(folder: Path, production: Path, plan: Plan) -> Figure:
    """Compares both exports on the held-out rows of `plan`, whatever production was trained on."""
    different = _different(production, plan)
    if different is not None:
        return Figure(name=f"{INCOMPARABLE}: {different}", value=math.inf, bar=0)
    ours, theirs = (Exported(each, plan) for each in (folder, production))
    if plan.goal is None:
        return _echo(echo.held_out(ours, plan), echo.held_out(theirs, plan))
    metric = plan.goal.metric
    value, bar = (measure(plan, each.answers).value for each in (ours, theirs))
    least = no_worse_than(metric, bar, plan.goal.margin)
    if math.isnan(bar):  # counts as the worst
        least = -math.inf if metric in HIGHER else math.inf
    return Figure(name=f"{metric}, against production", value=value, bar=least, at_least=metric in HIGHER)


def _echo(ours: Figure, theirs: Figure) -> Figure:
    measured = math.inf if math.isnan(theirs.value) else theirs.value  # NaN counts as the worst
    return Figure(name=f"{ours.name}, against production", value=ours.value, bar=measured + MARGIN * ours.bar)


def _different(production: Path, plan: Plan) -> str | None:
    """Why both versions cannot be compared, such as "task forecast, not classify"; None: they can be."""
    path = production / MANIFEST
    if not path.exists():  # a SavedModel by itself
        return None
    theirs = Manifest.model_validate_json(path.read_text())
    ours = theirs.model_copy(update=described(plan))
    return ours.differs_from(theirs)
