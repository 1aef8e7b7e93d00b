"""Request bodies of many items: multiples of 0.0001 in [0, 1), the same in every run."""

import json

import numpy as np

from loadtests.payloads import GRID

ITEMS = 5


def rows_items(rows: int, items: int = ITEMS) -> list[list[float]]:
    grid = np.random.default_rng(0).integers(0, GRID, (rows, items))
    return [[int(item) / GRID for item in row] for row in grid]


def rows_body(rows: int, items: int = ITEMS) -> bytes:
    return json.dumps({"sequences": rows_items(rows, items)}).encode()


def of_rows(rows: int, items: int = ITEMS) -> str:
    """The size of such a request in words."""
    return f"{rows:,} row{'s' * (rows > 1)} of {items:,} items"
