"""Generated sequences, to teach and to judge models, in the domain's units. Needs NumPy only."""

from collections.abc import Iterator

import numpy as np

from contract.manifest import Domain, Quantity
from contract.rows import Floats

HELD_OUT = 0x6A7E
"""Added to a seed for the gate's sequences. Training uses TensorFlow's generator, so the streams differ in any case."""


def tutorial_sequence(length: int) -> Floats:
    """[0.0, 0.2, 0.4, 0.6, 0.8] for length 5; (length,) evenly spaced in [0, 1) for any."""
    return np.arange(length, dtype=np.float32) / np.float32(length)


def random_rows(seed: int, rows: int, length: int, domain: Domain) -> Floats:
    """(rows, length), uniform in the domain, held out from training."""
    drawn = np.random.default_rng([seed, HELD_OUT, length]).random((rows, length), dtype=np.float32)
    return _into(drawn, domain)


def random_steps(seed: int, rows: int, length: int, features: list[Quantity]) -> Floats:
    """(rows, length, F), each feature uniform in its domain. For one feature the numbers are those of `random_rows`."""
    drawn = np.random.default_rng([seed, HELD_OUT, length]).random((rows, length, len(features)), dtype=np.float32)
    return np.stack([_into(drawn[..., column], feature.domain) for column, feature in enumerate(features)], axis=-1)


def edge_rows(length: int, domain: Domain) -> Iterator[tuple[str, Floats]]:
    """Rows at the edges of the domain by name, each (rows, length). Echoing is hardest there."""
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    alternation = (np.arange(length) % 2).astype(np.float32)
    odd = np.eye(length, dtype=np.float32)[np.unique([0, length // 2, length - 1])]  # one odd value: first, middle, last
    shapes = {
        "all lowest": np.zeros((1, length), np.float32),
        "all highest": np.ones((1, length), np.float32),
        "ramps": np.stack([ramp, ramp[::-1]]),
        "alternation": np.stack([alternation, 1 - alternation]),
        "one odd value": np.concatenate([odd, 1 - odd]),
    }
    for name, rows in shapes.items():
        yield name, _into(rows, domain)


def _into(unit: Floats, domain: Domain) -> Floats:
    """[0, 1] -> [low, high): 1 becomes the largest float32 below `high`."""
    low, high = np.float32(domain.low), np.float32(domain.high)
    values: Floats = np.minimum(low + unit * (high - low), np.nextafter(high, low))
    return values
