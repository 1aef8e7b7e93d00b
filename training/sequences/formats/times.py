"""Times of a table as numbers, and the order of the rows by time."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Ints
from training.sequences.source import many

Times = npt.NDArray[np.float64]
WRITTEN: Final = ("%d.%m.%Y", "%d %b %Y", "%b %d %Y", "%b %Y")
"""Ways to write dates, beside ISO 8601, that have one meaning."""
AMBIGUOUS: Final = ("%d/%m/%Y", "%m/%d/%Y")
"""One of them is taken where the other cannot be meant."""
UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
INSTEAD: Final = "write times as numbers, or as 2024-01-31 or 2024-01-31T12:30:00"


def numbers_of(cells: Any) -> tuple[Times | None, str | None]:
    """(rows,) float64, or the reason why the cells are no times. Dates become seconds."""
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return _of_text(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())))
    if pa.types.is_temporal(cells.type):
        cells = pc.cast(pc.cast(cells, pa.timestamp("us", getattr(cells.type, "tz", None))), pa.int64())
        return _finite(pc.divide(pc.cast(cells, pa.float64(), safe=False), 1e6))
    try:
        return _finite(pc.cast(cells, pa.float64(), safe=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None, f"expected times; received {cells.type}: {INSTEAD}"


def in_order(times: Times, lengths: Ints) -> tuple[Ints | None, Times, int]:
    """The order of the rows by time within each sequence (None: as they are), the times in it, and how many repeat."""
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    inside = sequence[1:] == sequence[:-1]
    order: Ints | None = None
    if (np.diff(times)[inside] < 0).any():
        order = np.lexsort((times, sequence))
        times = times[order]
    return order, times, int(np.count_nonzero((np.diff(times) == 0) & inside))


def uneven(times: Times, lengths: Ints, dated: bool) -> str | None:
    """What to say where steps within a sequence are unlike the commonest one. Months and years are even: they differ little."""
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    steps = np.diff(times)[sequence[1:] == sequence[:-1]]
    if not len(steps):
        return None
    sizes, numbers = np.unique(np.round(steps, 6), return_counts=True)
    commonest = float(sizes[np.argmax(numbers)])
    gaps, shorter = (int(np.count_nonzero(unlike)) for unlike in (steps > 1.5 * commonest, steps < commonest / 1.5))
    if commonest <= 0 or not gaps + shorter:
        return None
    size = _duration(commonest) if dated else f"{commonest:g}"
    what = many(gaps, "gap") + (f" and {many(shorter, 'shorter step')}" if shorter else "")
    return f"times are uneven: {what}; the commonest step is {size}: the model takes all steps as equal"


def _duration(seconds: float) -> str:
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= size), UNITS[-1])
    number = seconds / size
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"


def _finite(cells: Any) -> tuple[Times | None, str | None]:
    times: Times = cells.to_numpy(zero_copy_only=False)
    if (bad := np.flatnonzero(~np.isfinite(times))).size:
        return None, f"{many(len(bad), 'time')} missing, the first in row {bad[0] + 1}: fill them in, or leave the rows out"
    return times, None


def _of_text(text: Any) -> tuple[Times | None, str | None]:
    empty = np.flatnonzero(pc.or_kleene(pc.is_null(text), pc.equal(text, "")).fill_null(True).to_numpy(zero_copy_only=False))
    if len(empty):
        return None, f"{many(len(empty), 'time')} missing, the first in row {empty[0] + 1}: fill them in, or leave the rows out"
    try:
        return _finite(pc.cast(text, pa.float64()))
    except pa.ArrowInvalid:
        pass
    iso = text
    for quarter, month in enumerate(("01", "04", "07", "10"), 1):
        iso = pc.replace_substring_regex(iso, rf"^([0-9]{{4}})[ -]?[Qq]{quarter}$", rf"\1-{month}-01")
    iso = pc.replace_substring_regex(iso, r"^([0-9]{4})/([0-9]{1,2})(?:/([0-9]{1,2}))?", r"\1-\2-\3")
    iso = pc.replace_substring_regex(iso, r"^([0-9]{4})-([0-9]{1,2})-?$", r"\1-\2-01")
    iso = pc.replace_substring_regex(iso, r"^([0-9]{4})-([0-9])-", r"\1-0\2-")
    iso = pc.replace_substring_regex(iso, r"^([0-9]{4}-[0-9]{2})-([0-9])($|[T ])", r"\1-0\2\3")
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _seconds(pc.cast(iso, kind)), None
        except pa.ArrowInvalid:
            continue
    for form in WRITTEN:
        parsed = pc.strptime(text, format=form, unit="us", error_is_null=True)
        if not parsed.null_count:
            return _seconds(parsed), None
    parsed = [pc.strptime(text, format=form, unit="us", error_is_null=True) for form in AMBIGUOUS]
    whole = [each for each in parsed if not each.null_count]
    if len(whole) == 1:
        return _seconds(whole[0]), None
    first = text[0].as_py() if len(text) else ""
    what = f"{first!r} may mean two dates" if whole else f"{first[:40]!r} is no time that is understood"
    return None, f"{what}: {INSTEAD}"


def _seconds(cells: Any) -> Times:
    seconds: Times = pc.cast(pc.cast(cells, pa.int64()), pa.float64(), safe=False).to_numpy(zero_copy_only=False) / 1e6
    return seconds
