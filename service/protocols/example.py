"""A request that a version answers, from its golden rows: short, and in its domain."""

import json
from typing import Final

from contract.manifest import Manifest

ENOUGH: Final = 3
"""Steps of a row that looks like a sequence."""


def example(manifest: Manifest) -> tuple[str, str]:
    """The route and the body."""
    rows = [pair.input for pair in manifest.golden]  # (time, F)
    row = min(rows, key=lambda row: (len(row) < ENOUGH, len(row)))
    short = [[float(f"{number:.4g}") for number in step] for step in row]
    sequence = [step[0] for step in short] if len(manifest.features) == 1 else short
    return f"/models/{manifest.name}/predict", json.dumps({"sequences": [sequence]})
