"""Request bodies of many items: multiples of 0.0001 in [0, 1), the same in every run."""

import json
from typing import Any

import numpy as np

from loadtests.payloads import GRID

ITEMS = 5


def rows_items(rows: int, items: int = ITEMS) -> list[list[float]]:
    drawn: list[list[float]] = _drawn(rows, items)
    return drawn


def rows_steps(rows: int, steps: int, features: int) -> list[list[list[float]]]:
    drawn: list[list[list[float]]] = _drawn(rows, steps, features)
    return drawn


def rows_body(rows: int, items: int = ITEMS) -> bytes:
    return body(rows_items(rows, items))


def body(sequences: list[Any]) -> bytes:
    return json.dumps({"sequences": sequences}).encode()


def of_rows(rows: int, items: int = ITEMS) -> str:
    """The size of such a request in words."""
    return f"{rows:,} row{'s' * (rows > 1)} of {items:,} items"


def _drawn(*shape: int) -> list[Any]:
    drawn: list[Any] = (np.random.default_rng(0).integers(0, GRID, shape) / GRID).tolist()
    return drawn
