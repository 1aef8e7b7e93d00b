"""Sequences from arrays: NPZ and .npy, and what other readers bring as arrays with lengths."""

from collections.abc import Sequence
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.rows import Floats, Ints
from training.sequences.cells import DESCRIBED, HIGHEST, Faults, reason_for
from training.sequences.formats.found import Found
from training.sequences.formats.opened import Opened
from training.sequences.source import DataRefused, Source, refuse

Array = npt.NDArray[Any]
MOST_ITEMS: Final = 1_000_000
"""Steps in a row of an array."""
PIECE: Final = 1 << 22
"""Numbers that are checked at once."""
KNOWN: Final = ("inputs", "targets", "labels", "lengths", "features")
SHAPES: Final = "(rows, time), (rows, time, F) or (items,); with lengths (items,) or (items, F)"


class Arrays(NamedTuple):
    inputs: Array  # (items, F) with `lengths`; otherwise (rows, time), (rows, time, F) or (items,)
    lengths: Array | None = None  # (rows,)
    targets: Array | None = None  # of steps: (items,), (items, T), (rows, time), (rows, time, T); of rows: (rows,), (rows, T)
    labels: Array | None = None  # of steps: (items,) or (rows, time); of rows: (rows,)
    features: Sequence[str] = ()


def read_npz(opened: Opened, source: Source) -> Found:
    """Read NPZ. Raises OSError or MemoryError, or DataRefused."""
    try:
        with np.load(_begun(opened, source, "NPZ"), allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                refuse(source, "cannot be read as NPZ: it is one array: name it .npy")
            loaded = {name: arrays[name] for name in KNOWN if name in arrays}
            there = ", ".join(arrays.files) or "none"
    except (OSError, MemoryError, DataRefused):
        raise
    except Exception as error:  # zipfile, zlib and the header's parser raise many kinds for a damaged file
        _unreadable(source, "NPZ", error)
    if "inputs" not in loaded:
        refuse(source, f"expected arrays inputs (and targets, labels or lengths); received {there}: save it as inputs=...")
    names = loaded.pop("features", np.array([]))
    return found_in(
        Arrays(**loaded, features=[str(name) for name in names.reshape(-1)]), source, Faults(source.file, None), opened
    )


def read_npy(opened: Opened, source: Source) -> Found:
    """Read one array of inputs. Raises as `read_npz`."""
    try:
        array = np.load(_begun(opened, source, ".npy"), allow_pickle=False)
    except (OSError, MemoryError, DataRefused):
        raise
    except Exception as error:
        _unreadable(source, ".npy", error)
    return found_in(Arrays(array), source, Faults(source.file, None), opened)


def _begun(opened: Opened, source: Source, form: str) -> BinaryIO:
    """The file, from its start. Raises DataRefused where it begins as no file of NumPy does: NumPy takes it for a pickle."""
    file = opened.seekable()
    head = file.read(6)
    file.seek(0)
    pickled = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if head and not pickled and not head.startswith((b"PK", b"\x93NUMPY")):
        refuse(source, f"is no {form}: its first bytes are those of another kind of file: name it by its format, such as .csv")
    return file


def _unreadable(source: Source, form: str, error: Exception) -> None:
    if "pickle" in str(error):  # an array of objects, or a pickle
        refuse(
            source,
            f"cannot be read as {form}: it holds Python objects: save numbers, and rows of different lengths end to end as "
            "inputs (items, F) with lengths (rows,)",
        )
    refuse(source, f"cannot be read as {form}: {error}")


def found_in(arrays: Arrays, source: Source, faults: Faults, opened: Opened) -> Found:
    """Check shapes and numbers. Raises DataRefused where shapes do not fit."""
    inputs, lengths = arrays.inputs, _lengths(arrays, faults)
    even = lengths is None and inputs.ndim > 1
    if lengths is None:
        lengths = np.full(inputs.shape[0], inputs.shape[1]) if even else np.array([inputs.shape[0]])
    rows, items = len(lengths), int(lengths.sum())
    width = inputs.shape[-1] if inputs.ndim == (3 if even else 2) else 1
    targets, goals, of_steps = None, 0, True
    if arrays.targets is not None and source.task in (None, "regress"):
        of_steps, goals = _targets(arrays.targets, inputs, even, rows, items, source, faults)
    labels = arrays.labels if source.task in (None, "classify", "label") else None
    if labels is not None:
        of_steps = _labels(labels, inputs, even, rows, items, source, faults)
    if faults.total:
        raise DataRefused(*faults.found)
    keep = source.missing != "refuse"
    values = _numbers("inputs", inputs, faults, keep).reshape(items, width)
    if goals and arrays.targets is not None:
        targets = _numbers("targets", arrays.targets, faults, keep).reshape(-1, goals)
    return Found(
        sha256=opened.sha256,
        layout="a sequence per row" if rows > 1 else "one series",
        faults=faults,
        values=values,
        features=_names(arrays.features, width, source),
        lengths=lengths,
        per_step=of_steps,
        targets=targets,
        goals=_goals(source.target, goals, source),
        labels=None if labels is None else _text(labels.reshape(-1), faults, source),
        label="labels",
        even=even,
    )


def _lengths(arrays: Arrays, faults: Faults) -> Ints | None:
    """(rows,), or None where the array has an axis of rows. Adds the faults of `inputs` and `lengths`."""
    inputs, lengths = arrays.inputs, arrays.lengths
    right = inputs.ndim in ((1, 2) if lengths is not None else (1, 2, 3)) and all(size >= 1 for size in inputs.shape[1:])
    if inputs.dtype.kind not in "iuf" or not right or (inputs.ndim > 1 and lengths is None and inputs.shape[1] > MOST_ITEMS):
        faults.add(None, "inputs", f"expected numbers of shape {SHAPES}; received {inputs.dtype} of shape {inputs.shape}")
        raise DataRefused(*faults.found)
    if lengths is None:
        return None
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1:
        faults.add(None, "lengths", f"expected integers of shape (rows,); received {lengths.dtype} of shape {lengths.shape}")
    elif (lengths < 1).any():
        faults.add(int(np.argmax(lengths < 1)) + 1, "lengths", "a row has no steps: leave it out")
    elif lengths.sum() != len(inputs):
        sums = f"lengths sum to {int(lengths.sum()):,}, inputs have {len(inputs):,} steps"
        faults.add(None, "lengths", f"expected lengths that sum to the steps of inputs; received {sums}")
    if faults.total:
        raise DataRefused(*faults.found)
    return lengths.astype(np.int64)


def _targets(
    targets: Array, inputs: Array, even: bool, rows: int, items: int, source: Source, faults: Faults
) -> tuple[bool, int]:
    """Whether targets are those of steps, and how many there are of each."""
    steps = inputs.shape[:2] if even else (items,)
    is_steps = targets.shape == steps or (targets.ndim == len(steps) + 1 and targets.shape[:-1] == steps)
    is_rows = targets.ndim in (1, 2) and targets.shape[0] == rows
    if targets.dtype.kind not in "iuf" or not (is_steps or is_rows) or 0 in targets.shape[1:]:
        wanted = f"{_shape(steps)} for steps, or {_shape((rows,))} for rows"
        faults.add(None, "targets", f"expected numbers of shape {wanted}; received {targets.dtype} of shape {targets.shape}")
        return True, 1
    of_steps = is_steps and not (is_rows and source.per_step is False)
    trailing = targets.shape[len(steps) if of_steps else 1 :]
    return of_steps, trailing[0] if trailing else 1


def _labels(labels: Array, inputs: Array, even: bool, rows: int, items: int, source: Source, faults: Faults) -> bool:
    steps = inputs.shape[:2] if even else (items,)
    is_steps, is_rows = labels.shape == steps, labels.shape == (rows,)
    if not (is_steps or is_rows) or labels.dtype.kind not in "iufUSb":
        wanted = f"{_shape(steps)} for steps, or {_shape((rows,))} for rows"
        faults.add(
            None, "labels", f"expected text or integers of shape {wanted}; received {labels.dtype} of shape {labels.shape}"
        )
    return is_steps and not (is_rows and (source.per_step is False or source.task == "classify"))


def _shape(sizes: tuple[int, ...]) -> str:
    return str(tuple(int(size) for size in sizes))


def _numbers(name: str, array: Array, faults: Faults, keep_missing: bool) -> Floats:
    """(numbers,) float32; those that are none are 0, and the faults name them."""
    flat = array.reshape(-1)
    found = np.empty(len(flat), np.float32)
    for first in range(0, len(flat), PIECE):
        piece = flat[first : first + PIECE].astype(np.float64)
        bad = np.flatnonzero(~(np.abs(piece) <= HIGHEST))  # written so that NaN is bad
        if len(bad):
            missing = np.isnan(piece[bad])
            piece[bad] = np.where(missing, np.nan, 0.0) if keep_missing else 0.0
            bad = bad[~missing] if keep_missing else bad
        found[first : first + PIECE] = piece
        for place in bad[:DESCRIBED].tolist():
            row, *rest = (int(each) for each in np.unravel_index(first + place, array.shape))
            column = f"{name}[{', '.join(map(str, rest))}]" if rest else name
            faults.add(row + 1, column, reason_for(flat[first + place].item()))
        faults.more(max(0, len(bad) - DESCRIBED))
    return found


def _text(labels: Array, faults: Faults, source: Source) -> Any:
    """Arrow text; null where a label is missing."""
    if labels.dtype.kind == "f":
        missing = np.isnan(labels)
        whole = bool((labels[~missing] == np.round(labels[~missing])).all())
        text = [None if gone else str(int(each)) if whole else f"{each:g}" for each, gone in zip(labels, missing, strict=True)]
    else:
        text = [str(each).strip() or None for each in (labels.astype(str) if labels.dtype.kind == "S" else labels).tolist()]
    if source.missing != "drop":
        for place in [place for place, each in enumerate(text) if each is None]:
            faults.add(place + 1, "labels", "the cell is empty")
    return pa.array(text, pa.large_string())


def _names(given: Sequence[str], width: int, source: Source) -> list[str]:
    names = list(source.features or given)
    if names and len(names) != width:
        refuse(source, f"expected {width} names of features, one for each; received {len(names)}: {', '.join(names[:8])}")
    return names or (["value"] if width == 1 else [f"feature_{place}" for place in range(width)])


def _goals(given: tuple[str, ...], width: int, source: Source) -> list[str]:
    if given and width and len(given) != width:
        refuse(source, f"expected {width} names of targets, one for each; received {len(given)}: {', '.join(given[:8])}")
    return list(given if width else ()) or (["target"] if width == 1 else [f"target_{place}" for place in range(width)])
