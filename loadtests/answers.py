"""Checks an answer. A check costs under a tenth of a request, so every answer is checked."""

from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.models import Layout
from loadtests.payloads import Numbers, Payload

Flags = npt.NDArray[np.bool_]


class Wrong(NamedTuple):
    """`reason` has few values, so that equal failures are counted together. `detail` describes this answer alone."""

    reason: str
    detail: str


class Read(NamedTuple):
    """The numbers of an answer, as many as the request asks for, and all finite."""

    values: Numbers  # (items, K), or (rows, K) where each row has one answer
    version: str


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    model: str
    version: str
    in_domain: list[bool]


class _Numbers(_Answer):
    sequences: list[list[float]]


class _Steps(_Answer):
    sequences: list[list[list[float]]]


class _Outputs(_Answer):
    outputs: list[list[float]]


class _Class(_Answer):
    labels: list[str]
    probabilities: list[list[float]]
    classes: list[str]


class _Label(_Answer):
    labels: list[list[str]]
    probabilities: list[list[list[float]]]
    classes: list[str]


_LAYOUTS: Final[dict[Layout, tuple[type[_Answer], str]]] = {
    "numbers": (_Numbers, "sequences"),
    "steps": (_Steps, "sequences"),
    "outputs": (_Outputs, "outputs"),
    "class": (_Class, "probabilities"),
    "label": (_Label, "probabilities"),
}
"""Layout -> the answer's form, and the field of its numbers."""


class Checked(NamedTuple):
    wrong: Wrong | None  # None: nothing is wrong with the answer
    other_version: bool = False  # only the shape and finite numbers were checked


def check(body: bytes, payload: Payload) -> Checked:
    """Compare the body of a 200 with the right answer to `payload`.

    During a version swap or a canary, another version may answer. The golden outputs and the answers to rows alone are not
    that version's, so nothing but its shape and its numbers being finite is checked. An echo is the input in every version.
    """
    answer = read(body, payload)
    if isinstance(answer, Wrong):
        return Checked(answer)
    if answer.version != payload.model.version and payload.right != "the input":
        return Checked(None, other_version=True)
    right = np.abs(answer.values - payload.expected) <= payload.tolerance
    return Checked(None if right.all() else _different(answer.values, payload, right))


def read(body: bytes, payload: Payload) -> Read | Wrong:
    """The numbers of the body of a 200, if it can be an answer of this model to this request."""
    model = payload.model
    form, field = _LAYOUTS[model.layout]
    try:
        answer = form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Wrong("not an answer", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if answer.model != model.name:
        return Wrong("another model", f"expected {model.name}, got {answer.model}")
    numbers: list[list[Any]] = getattr(answer, field)
    wrong = _sizes(numbers, payload)
    if wrong is not None:
        return wrong
    if len(answer.in_domain) != len(numbers) or (payload.kind != "golden" and not all(answer.in_domain)):
        return Wrong("in_domain is not true for every row", f"got {answer.in_domain}")
    flat = chain.from_iterable(numbers)
    if model.layout in ("steps", "label"):
        flat = chain.from_iterable(flat)
    values = np.fromiter(flat, np.float64, payload.expected.size).reshape(payload.expected.shape)
    finite = np.isfinite(values)
    if not finite.all():
        item, output = _first(finite)
        got = f"got {values[item, output]}; {int((~finite).sum())} of {values.size} numbers"
        return Wrong("a number is not finite", f"{_place(item, payload)}, output {output}: {got}")
    if isinstance(answer, _Class | _Label):
        wrong = _labels(answer, values, payload)
    return wrong or Read(values, answer.version)


def _sizes(numbers: list[list[Any]], payload: Payload) -> Wrong | None:
    """Check the number of rows, of steps in each row, and of outputs."""
    if len(numbers) != len(payload.lengths):
        return Wrong("another number of rows", f"expected {len(payload.lengths)}, got {len(numbers)}")
    outputs = payload.model.outputs
    one_each = payload.model.layout in ("outputs", "class")
    expected, sizes = [outputs] * len(numbers) if one_each else payload.lengths, [*map(len, numbers)]
    if sizes != expected:
        row = next(i for i, (got, want) in enumerate(zip(sizes, expected, strict=True)) if got != want)
        what = "outputs" if one_each else "steps"
        return Wrong("a row of another length", f"row {row}: expected {expected[row]} {what}, got {sizes[row]}")
    if payload.model.layout in ("steps", "label"):
        widths = set(map(len, chain.from_iterable(numbers)))
        if widths != {outputs}:
            return Wrong("a step of another width", f"expected {outputs} outputs, got {sorted(widths - {outputs})[0]}")
    return None


def _labels(answer: _Class | _Label, values: Numbers, payload: Payload) -> Wrong | None:
    """Check that each label is the most probable class. Of equally probable classes it is the first."""
    classes = payload.model.classes
    if answer.classes != classes:
        return Wrong("other classes", f"expected {', '.join(classes)}; got {', '.join(answer.classes)}"[:400])
    if isinstance(answer, _Label):
        sizes = [*map(len, answer.labels)]
        if sizes != payload.lengths:
            return Wrong("other numbers of labels", f"expected {payload.lengths}, got {sizes}"[:400])
        labels = [*chain.from_iterable(answer.labels)]
    else:
        labels = answer.labels
    best = [classes[place] for place in values.argmax(axis=1).tolist()]
    if labels == best:
        return None
    if len(labels) != len(best):
        return Wrong("other numbers of labels", f"expected {len(best)}, got {len(labels)}")
    first = next(i for i, (got, want) in enumerate(zip(labels, best, strict=True)) if got != want)
    where = f"{_place(first, payload)}: expected {best[first]}, got {labels[first]}"
    return Wrong("a label is not the most probable class", where[:400])


def _different(values: Numbers, payload: Payload, right: Flags) -> Wrong:
    item, output = _first(right)
    expected, got = payload.expected[item, output], values[item, output]
    where = f"{_place(item, payload)}, output {output}: expected {expected:.9g}, got {got:.9g}"
    allowed = f"allowed difference {payload.tolerance.max():.3g}"
    return Wrong(f"values differ from {payload.right}", f"{where}; {int((~right).sum())} of {values.size} numbers; {allowed}")


def _first(right: Flags) -> tuple[int, int]:
    """The place of the first number that is not right: the answer's line, and the output in it."""
    outputs: int = right.shape[1]
    return divmod(int(np.argmin(right)), outputs)


def _place(item: int, payload: Payload) -> str:
    """The row, and the step in it, of an answer's line."""
    if not payload.model.per_step:
        return f"row {item}"
    starts = [0, *accumulate(payload.lengths)]
    row = int(np.searchsorted(starts, item, side="right")) - 1
    return f"row {row}, step {item - starts[row]}"
