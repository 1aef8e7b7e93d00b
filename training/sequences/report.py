"""What `data check` says of a file: facts, distributions, warnings and faults."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from contract.manifest import DataFacts
from contract.rows import Floats
from training.sequences.source import Fault

QUANTILES: Final = (0.01, 0.25, 0.5, 0.75, 0.99)
BINS: Final = 20
MOST_SPREADS: Final = 100
"""So many features are described."""


@dataclass(frozen=True)
class Spread:
    """The distribution of values."""

    low: float
    high: float
    quantiles: dict[str, float]
    histogram: list[int]  # BINS counts, equal widths, from low to high


@dataclass
class Report:
    """The facts about a file; None or empty where faults prevent them."""

    file: str
    layout: str
    task: str
    sequences: int
    items: int
    lengths: dict[str, int]  # shortest, median, longest
    features: dict[str, Spread] = field(default_factory=dict)
    targets: dict[str, Spread] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)  # class -> rows or steps; those of the test file are apart
    test_classes: dict[str, int] = field(default_factory=dict)
    windows: bool = False  # whether rows are cut out of sequences
    per_step: bool = True
    horizon: int | None = None
    facts: DataFacts | None = None
    warnings: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    faults_in_all: int = 0


def spreads(names: list[str], values: Floats) -> dict[str, Spread]:
    """The distribution of each column of (items, columns)."""
    return {name: spread(values[:, place]) for place, name in enumerate(names[:MOST_SPREADS])}


def spread(values: Floats) -> Spread:
    """The distribution of (items,)."""
    low, high = float(values.min()), float(values.max())
    ranks = [round(quantile * (len(values) - 1)) for quantile in QUANTILES]
    quantiles = np.partition(values, ranks)[ranks]
    counts = np.zeros(BINS, np.int64)
    parts = np.array_split(values, len(values) // (1 << 21) + 1)  # in pieces, since float64 takes twice the memory
    if low == high:  # NumPy cannot divide a range of nothing at a large number
        parts, counts[BINS // 2] = [], len(values)
    for part in parts:
        counts += np.histogram(part.astype(np.float64), BINS, (low, high))[0]
    named = {f"{quantile:g}": float(value) for quantile, value in zip(QUANTILES, quantiles, strict=True)}
    return Spread(low, high, named, counts.tolist())
