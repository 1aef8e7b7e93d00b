"""Checks an answer. A check costs under a tenth of a request, so every answer is checked."""

from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from pydantic import BaseModel, ValidationError

from loadtests.payloads import Payload

TOLERANCE: Final = 0.05
"""Largest difference from the input that counts as an echo, for values in [0, 1)."""


class Wrong(NamedTuple):
    """`reason` has few values, so that equal failures are counted together. `detail` describes this answer alone."""

    reason: str
    detail: str


class _Answer(BaseModel):
    topology: str
    sequences: list[list[float]]
    in_domain: list[bool]


def check(body: bytes, payload: Payload) -> Wrong | None:
    """What is wrong with the body of a 200, as the answer to `payload`; None when it is right."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Wrong("not an answer", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if answer.topology != payload.topology:
        return Wrong("another topology", f"expected {payload.topology}, got {answer.topology}")
    if len(answer.sequences) != len(payload.lengths):
        return Wrong("another number of rows", f"expected {len(payload.lengths)}, got {len(answer.sequences)}")
    lengths = [len(row) for row in answer.sequences]
    if lengths != payload.lengths:
        row = next(i for i, (got, want) in enumerate(zip(lengths, payload.lengths, strict=True)) if got != want)
        return Wrong("a row of another length", f"row {row}: expected {payload.lengths[row]} items, got {lengths[row]}")
    if len(answer.in_domain) != len(lengths) or not all(answer.in_domain):
        return Wrong("in_domain is not true for every row", f"got {answer.in_domain}")
    return _check_values(answer.sequences, payload)


def _check_values(sequences: list[list[float]], payload: Payload) -> Wrong | None:
    expected = payload.expected.values
    values = np.fromiter(chain.from_iterable(sequences), np.float64, len(expected))
    right = np.abs(values - expected) <= TOLERANCE  # False for NaN
    if right.all():
        return None
    first = int(np.argmin(right))
    row = int(np.searchsorted(payload.expected.starts, first, side="right")) - 1
    item = first - int(payload.expected.starts[row])
    where = f"row {row}, item {item}: expected {expected[first]:.4f}, got {values[first]:.4f}"
    return Wrong(f"values differ by more than {TOLERANCE}", f"{where}; {int((~right).sum())} of {len(values)} items")
