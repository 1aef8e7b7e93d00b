"""A gate that tries fewer lengths and batches: all of them take two thirds of its time. `test_judge` runs the whole gate."""

import pytest


def shorten(patch: pytest.MonkeyPatch) -> None:
    """The grid keeps batch 1, and a batch below, at and above the length."""
    patch.setattr("training.gate.echo.EVERY_LENGTH_TO", 16)
    patch.setattr("training.gate.fidelity.GRID", (1, 2, 3))
