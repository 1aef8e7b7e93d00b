"""Classes from labels: which there are, in which order, and which label is which."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Ints
from training.sequences.columns import listed

MOST: Final = 1_000
"""Classes of a model."""
LONGEST: Final = 200
"""Characters of a class."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_FRACTION: Final = re.compile(r"[+-]?[0-9]*\.[0-9]*[1-9][0-9]*(?:[eE][+-]?[0-9]+)?")


def coded(labels: Any) -> tuple[Ints, list[str]]:
    """Arrow text -> (labels,) the number of each label's class, -1 where it is missing; and the classes in order.

    Integers are ordered as numbers, 1.0 is 1, other labels are ordered as text.
    """
    encoded = pc.cast(labels, pa.large_string()).dictionary_encode()
    texts = [_plain(text) for text in encoded.dictionary.to_pylist()]
    names = set(texts)
    integers = all(_INTEGER.fullmatch(name) for name in names)
    classes = sorted(names, key=int) if integers else sorted(names)
    place = {name: number for number, name in enumerate(classes)}
    number_of = np.array([*(place[text] for text in texts), -1], np.int64)
    codes = pc.fill_null(pc.cast(encoded.indices, pa.int64()), len(texts)).to_numpy(zero_copy_only=False)
    return number_of[codes], classes


def unfit(codes: Ints, classes: Sequence[str], per_step: bool) -> str | None:
    """Why the labels are no classes; None: they are."""
    if not classes:
        return "every label is missing"
    fractions = sum(bool(_FRACTION.fullmatch(name)) for name in classes)
    if len(classes) > 20 and fractions > len(classes) / 2:
        return f"{len(classes):,} different labels, most of them fractions, look like numbers to predict: --task regress"
    if len(classes) > MOST:
        return f"expected at most {MOST:,} classes; received {len(classes):,}: if labels are numbers to predict, --task regress"
    if long := [name for name in classes if len(name) > LONGEST]:
        return f"expected classes of at most {LONGEST} characters; received {long[0][:40]}..."
    if len(classes) == 1:
        return f"every label is {classes[0]}: there is nothing to learn: at least two classes are needed"
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    if rare := [name for name, count in zip(classes, counts, strict=True) if count < 2]:
        what = "step" if per_step else "row"
        which = f"class {rare[0]} has 1 {what}" if len(rare) == 1 else f"classes {listed(rare)} have 1 {what} each"
        return f"{which}: at least 2 are needed: leave {'it' if len(rare) == 1 else 'them'} out, or join classes"
    return None


def _plain(text: str) -> str:
    whole = re.fullmatch(r"([+-]?[0-9]{1,18})\.0*", text)
    return whole[1] if whole else text
