"""The users' requests: a seeded pool for each topology, serialised before the first request is sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from contract.rows import Rows
from contract.topologies import TOPOLOGIES, TopologyName

Kind = Literal["tutorial", "one row", "ragged", "batch"]

TUTORIAL_ROW: Final = (0.0, 0.2, 0.4, 0.6, 0.8)
LONGEST_ROW: Final = 100
BATCH_ROWS: Final = 32
MOST_RAGGED_ROWS: Final = 8
GRID: Final = 10_000
"""Values are multiples of 1 / GRID in [0, 1), which are short as JSON."""

MIX: Final[dict[Kind, float]] = {
    "tutorial": 0.20,  # the tutorial's row, which new users try first
    "one row": 0.50,  # the common request
    "ragged": 0.15,  # rows of different lengths in one request
    "batch": 0.15,  # 32 rows of one length
}
"""The share of each kind of request. A single row replaces a kind that the topology cannot have, like a ragged many_to_one."""


@dataclass(frozen=True)
class Payload:
    """A request's body, and the rows of its right answer."""

    topology: TopologyName
    kind: Kind
    body: str
    expected: Rows
    lengths: list[int]  # of the rows in `expected`; a plain list compares fastest


def make_pool(topology: TopologyName, lengths: Sequence[int], seed: int, size: int = 400) -> list[Payload]:
    """`size` payloads, equal for equal seeds. many_to_one rows have one of `lengths`; other rows have 1 to 100 items."""
    rng = np.random.default_rng([seed, list(TOPOLOGIES).index(topology)])
    allowed = range(1, LONGEST_ROW + 1) if TOPOLOGIES[topology].any_length else lengths
    kinds = [kind for kind, share in MIX.items() for _ in range(round(share * size))]
    return [_make(topology, kinds[i], allowed, rng) for i in rng.permutation(len(kinds))]


def _make(topology: TopologyName, kind: Kind, allowed: Sequence[int], rng: np.random.Generator) -> Payload:
    if (kind == "tutorial" and len(TUTORIAL_ROW) not in allowed) or (kind == "ragged" and not TOPOLOGIES[topology].any_length):
        kind = "one row"
    length = int(rng.choice(allowed))
    match kind:
        case "tutorial":
            return _payload(topology, kind, [np.array(TUTORIAL_ROW)])
        case "one row":
            return _payload(topology, kind, [_row(length, rng)])
        case "batch":
            return _payload(topology, kind, [_row(length, rng) for _ in range(BATCH_ROWS)])
        case "ragged":
            ragged = rng.choice(allowed, size=int(rng.integers(2, MOST_RAGGED_ROWS + 1)), replace=False)
            return _payload(topology, kind, [_row(int(each), rng) for each in ragged])


def _row(length: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return rng.integers(0, GRID, length) / GRID


def _payload(topology: TopologyName, kind: Kind, rows: list[npt.NDArray[np.float64]]) -> Payload:
    body = json.dumps({"sequences": [row.tolist() for row in rows]})
    return Payload(topology, kind, body, Rows.of(rows), [len(row) for row in rows])
