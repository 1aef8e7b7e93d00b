"""A request that works, for a served model: shown with an error, and in the documentation."""

from math import floor, log10
from typing import Any, Final

from contract.manifest import Domain, Manifest

STEPS: Final = 3
MOST_NUMBERS: Final = 300
"""An example has at most so many. A model of more has rows on its card, as `golden`."""
PLACES: Final = 5
"""The numbers of a feature go through its domain in so many strides."""


def example(manifest: Manifest) -> dict[str, Any] | None:
    """The body of a request for one row in the model's domain; None if that would be long."""
    steps = manifest.length if not manifest.any_length else STEPS
    if manifest.any_length and manifest.data is not None:
        steps = max(STEPS, manifest.data.shortest)
    if steps * len(manifest.features) > MOST_NUMBERS:
        return None
    domains = [feature.domain for feature in manifest.features]
    row = [[_inside(domain, step) for domain in domains] for step in range(steps)]
    return {"sequences": [[numbers[0] for numbers in row] if len(domains) == 1 else row]}


def _inside(domain: Domain, step: int) -> float:
    """A short number, well inside of the domain."""
    width = domain.high - domain.low
    return round(domain.low + width * (step % PLACES + 0.5) / PLACES, max(0, 2 - floor(log10(width))))
