"""The users' requests: a seeded pool for each model, serialised before the first request is sent."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt

from loadtests.models import Model

Kind = Literal["golden", "one row", "ragged", "batch"]
Right = Literal["the input", "the golden output", "the answer to the row alone"]
Numbers = npt.NDArray[np.float64]

TUTORIAL_ROW: Final = (0.0, 0.2, 0.4, 0.6, 0.8)
LONGEST_ROW: Final = 100
SINGLE_ROWS: Final = 100
BATCHES: Final = 4
BATCH_ROWS: Final = 32
MOST_RAGGED_ROWS: Final = 8
MOST_NUMBERS: Final = 50_000
"""Numbers in a request or in its answer. Rows of many features are shorter for it, so that a pool takes megabytes."""
GRID: Final = 10_000
"""Drawn values lie on a grid of about so many points between low and high, and are short as JSON."""
TOLERANCE: Final = 0.05
"""Largest difference from the input that counts as an echo, in widths of the domain."""

MIX: Final[dict[Kind, float]] = {
    "golden": 0.20,  # a row whose answer the gate wrote down
    "one row": 0.50,  # the common request
    "ragged": 0.15,  # rows of different lengths in one request
    "batch": 0.15,  # 32 rows of one length
}
"""The share of each kind of request. A single row replaces ragged rows where a model takes one length."""


@dataclass(frozen=True)
class Payload:
    """A request's body, and its right answer."""

    model: Model
    kind: Kind
    body: str
    lengths: list[int]  # steps of each row
    right: Right  # what `expected` is
    expected: Numbers  # (items, K), or (rows, K) where each row has one answer
    tolerance: Numbers  # largest difference from `expected`, of each of the K numbers or of all


def drawn_rows(model: Model, seed: int) -> list[Numbers]:
    """Rows (steps, F) within the model's domain, equal for equal seeds.

    First come single rows of many lengths, then batches of one length.
    Where the model takes any length, rows have 1 to 100 steps, but lie in the domain: see `_lengths`.
    """
    rng = _rng(model, seed)
    lengths = _lengths(model)
    batch = _batch_rows(model)
    steps = [*np.resize(rng.permutation(lengths), SINGLE_ROWS), *np.repeat(rng.choice(lengths, BATCHES), batch)]
    return [*map(_drawing(model, rng), map(int, steps))]


def make_pool(model: Model, seed: int, size: int = 400) -> list[Payload]:
    """`size` payloads, equal for equal seeds. All are made of the golden rows and of `drawn_rows`, whose answers are known."""
    drawn = _Drawn(model, seed)
    kinds = [kind for kind, share in MIX.items() for _ in range(round(share * size))]
    return [drawn.payload(kinds[i]) for i in drawn.rng.permutation(len(kinds))]


def body(rows: Sequence[str], version: str | None = None) -> str:
    """A request. `rows` are JSON texts; `version` asks for that version."""
    wanted = f', "model_version": {json.dumps(version)}' if version else ""
    return f'{{"sequences": [{", ".join(rows)}]{wanted}}}'


def row_text(row: Numbers) -> str:
    """A row (steps, F) as JSON: numbers for one feature, else lists of F numbers."""
    return json.dumps((row[:, 0] if row.shape[1] == 1 else row).tolist())


class _Drawn:
    """The drawn rows of a model as JSON, with their right answers, and how to make payloads of them."""

    def __init__(self, model: Model, seed: int) -> None:
        self.rng = _rng(model, seed).spawn(1)[0]
        self._model = model
        rows = drawn_rows(model, seed)
        self._texts = [row_text(row) for row in rows]
        self._lengths = [len(row) for row in rows]
        self._right: Right = "the answer to the row alone"
        self._answers = [np.array(answer) for answer in model.alone]
        self._tolerance = np.zeros(1)  # equal to the last bit
        if model.echo:
            self._right = "the input"
            self._answers = rows if model.per_step else [row.reshape(1, -1) for row in rows]
            widths = [feature.domain.high - feature.domain.low for feature in model.features]
            self._tolerance = TOLERANCE * np.array(widths if model.per_step else widths[:1])

    def payload(self, kind: Kind) -> Payload:
        distinct = min(len(_lengths(self._model)), SINGLE_ROWS)  # the first single rows have lengths of their own
        if kind == "ragged" and distinct == 1:
            kind = "one row"
        match kind:
            case "golden":
                return self._golden()
            case "one row":
                return self._of(kind, [int(self.rng.integers(SINGLE_ROWS))])
            case "ragged":
                rows = int(self.rng.integers(2, min(MOST_RAGGED_ROWS, distinct) + 1))
                return self._of(kind, self.rng.choice(distinct, rows, replace=False).tolist())
            case "batch":
                rows = _batch_rows(self._model)
                first = SINGLE_ROWS + int(self.rng.integers(BATCHES)) * rows
                return self._of(kind, (first + self.rng.permutation(rows)).tolist())

    def _golden(self) -> Payload:
        pair = self._model.golden[int(self.rng.integers(len(self._model.golden)))]
        text = row_text(np.array(pair.input))
        expected, tolerance = np.array(pair.output), np.array([self._model.golden_tolerance])
        return Payload(self._model, "golden", body([text]), [len(pair.input)], "the golden output", expected, tolerance)

    def _of(self, kind: Kind, rows: list[int]) -> Payload:
        text = body([self._texts[row] for row in rows])
        expected = np.concatenate([self._answers[row] for row in rows])
        lengths = [self._lengths[row] for row in rows]
        return Payload(self._model, kind, text, lengths, self._right, expected, self._tolerance)


def _rng(model: Model, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(model.name.encode())])


def _lengths(model: Model) -> Sequence[int]:
    """The lengths of drawn rows. The domain of a model whose answer is one of a row ends at the shortest row of its data."""
    if not model.any_length:
        return [model.length]
    longest = min(LONGEST_ROW, model.highest_length, MOST_NUMBERS // (MOST_RAGGED_ROWS * _width(model)))
    shortest = model.data.shortest if model.data is not None and not model.per_step else 1
    return range(shortest, max(shortest, longest) + 1)


def _batch_rows(model: Model) -> int:
    return max(1, min(BATCH_ROWS, MOST_NUMBERS // (_width(model) * _lengths(model)[-1])))


def _width(model: Model) -> int:
    """Numbers of a step, in the request or in the answer."""
    return max(len(model.features), model.outputs)


def _drawing(model: Model, rng: np.random.Generator) -> Callable[[int], Numbers]:
    """Draws a row: length -> (length, F). Its values are inside the domain as float32 too."""
    low, high = (np.array([getattr(feature.domain, end) for feature in model.features]) for end in ("low", "high"))
    scale = 10.0 ** np.maximum(0, 4 - np.floor(np.log10(high - low)))  # of the decimals that the grid needs
    first = low.astype(np.float32)
    first = np.where(first < low, np.nextafter(first, np.float32(np.inf)), first)
    last = np.nextafter(high.astype(np.float32), np.float32(-np.inf))  # below `high`, however that is rounded

    def row(length: int) -> Numbers:
        values = low + rng.integers(0, GRID, (length, len(low))) / GRID * (high - low)
        rounded: Numbers = np.round(values * scale) / scale
        return rounded.clip(first.astype(np.float64), last.astype(np.float64))

    return row
