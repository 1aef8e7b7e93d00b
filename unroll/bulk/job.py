"""Predicts all rows of a file: reads ahead in one thread, computes in this one, and writes in a third."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.manifest import Manifest
from contract.rows import Rows, all_finite
from contract.topologies import ShapeError
from service.errors import InvalidShape, TooFarOut
from service.runtime.loaded_model import LoadedModel
from unroll.bulk.answers import NUMBERS, Answers, table_of
from unroll.bulk.outputs import Output
from unroll.bulk.parts import Parts
from unroll.bulk.reading import Piece, Reading
from unroll.inputs import in_parts
from unroll.local import PART_ITEMS

PART_NUMBERS: Final = 2**22
"""Numbers of the answers in a part."""
PART_SECONDS: Final = 5.0
"""A part ends after so long, too: a run that is killed loses no more."""


@dataclass
class Done:
    """So far, the rows of earlier runs included."""

    rows: int = 0
    outside: int = 0  # rows out of the domain
    unanswered: int = 0  # rows so far out that there is no finite answer

    def add(self, table: pa.Table, manifest: Manifest) -> None:
        self.rows += len(table)
        inside = table["in_domain"]
        self.outside += len(table) - (pc.sum(inside).as_py() or 0)
        self.unanswered += _with_nulls(table[NUMBERS[bool(manifest.classes)]].combine_chunks())


def _with_nulls(lists: Any) -> int:
    """In how many of the lists a number is null."""
    offsets, cells = [], lists
    while pa.types.is_list(cells.type):
        offsets.append(cells.offsets.to_numpy())
        cells = cells.flatten()
    if not cells.null_count:
        return 0
    places = np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))
    for each in reversed(offsets):
        places = np.unique(np.searchsorted(each, places, side="right") - 1)
    return len(places)


class Job:
    """`parts` has begun. `last`: of each row only the last steps, as many as the model takes."""

    def __init__(self, model: LoadedModel, reading: Reading, parts: Parts, output: Path, last: bool) -> None:
        self._model, self._reading, self._parts, self._last = model, reading, parts, last
        self._output = Output(output, model.manifest, parts)
        self._waiting: list[Answers] = []  # for the next part
        self._first = 0  # the row with which the next part begins
        self._since = time.monotonic()  # the start of the next part
        self.done = Done()

    def run(self, show: Callable[[int], None]) -> Done:
        """Predict the rows that have no answer yet. `show` takes the number of rows with an answer, again and again.

        An interrupted run keeps what it has computed. Raises DataRefused, InvalidShape, NotFinite or OSError.
        """
        begun = self._first = self._parts.done
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            written: Future[None] = writer.submit(self._again)
            try:
                for piece in _ahead(self._reading.pieces(begun), reader):
                    self._predict(piece)
                    if self._full():
                        written.result()  # one part at a time is written, while the next is computed
                        written = writer.submit(self._keep, *self._next_part())
                    show(self._next)
                written.result()
                self._keep(*self._next_part())
            except BaseException:
                try:
                    written.result()
                    self._keep(*self._next_part())
                finally:
                    self._output.discard()
                raise
        if self.done.rows:
            self._output.finish()
        return self.done

    @property
    def _next(self) -> int:
        """The first row without an answer."""
        return self._first + sum(len(answers.lengths) for answers in self._waiting)

    def _predict(self, piece: Piece) -> None:
        rows, model, row = self._cut(piece.rows), self._model, self._next
        if 0 in rows.lengths:
            empty = row + rows.lengths.index(0) + 1
            raise InvalidShape(f"row {empty:,} of the file is empty: leave it out", expected="a step", received="none")
        try:
            model.manifest.check(rows)
        except ShapeError as error:
            longer = model.length is not None and rows.longest > model.length
            hint = " --last takes the last steps of longer rows." if longer and not self._last else ""
            where = "in " + ("row" if len(rows.lengths) == 1 else f"rows {row + 1:,} to") + f" {row + len(rows.lengths):,}"
            raise InvalidShape(
                f"{where} of the file: {error}{hint}", expected=error.expected, received=error.received
            ) from error
        first = 0
        for part in in_parts(rows, PART_ITEMS):
            number = len(part.lengths)
            names = None if piece.names is None else piece.names.slice(first, number)
            lengths = np.full(number, part.uniform) if part.uniform else np.array(part.lengths)
            self._waiting.append(Answers(*_answered(model, part), lengths, names))
            first += number

    def _cut(self, rows: Rows) -> Rows:
        length = self._model.length
        if not self._last or length is None or rows.uniform == length:
            return rows
        lengths = np.array(rows.lengths)
        kept = np.minimum(lengths, length)
        skipped = np.repeat(rows.starts + lengths - kept - np.concatenate([[0], np.cumsum(kept)[:-1]]), kept)
        return Rows(rows.values[skipped + np.arange(len(skipped))], kept.tolist())

    def _full(self) -> bool:
        numbers = sum(answers.values.size for answers in self._waiting)
        return numbers >= PART_NUMBERS or time.monotonic() > self._since + PART_SECONDS

    def _next_part(self) -> tuple[list[Answers], int]:
        """The answers that wait, and the number of their first row."""
        answers, first, after = self._waiting, self._first, self._next
        self._waiting = []  # first: an interrupt between the two loses answers, and gives no row those of another
        self._first, self._since = after, time.monotonic()
        return answers, first

    def _keep(self, answers: list[Answers], first: int) -> None:
        if answers:
            table = table_of(answers, self._model.manifest, self._reading.names)
            self._parts.add(table, first)
            self._output.write(table, first)
            self.done.add(table, self._model.manifest)

    def _again(self) -> None:
        """Write the answers of earlier runs."""
        for first, table in self._parts.tables():
            self._output.write(table, first)
            self.done.add(table, self._model.manifest)


def _answered(model: LoadedModel, rows: Rows) -> tuple[Any, Any]:
    """The values and `in_domain`. Rows too far out for a finite answer have others, and are out of the domain."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = model.compute(model.plan(rows))
        if not all_finite(values):
            with suppress(TooFarOut):
                model.answer(rows, values)
        return values, model.in_domain(rows)


def _ahead(pieces: Iterator[Piece], reader: Executor) -> Iterator[Piece]:
    """The pieces, each read while the one before is used."""
    following = reader.submit(next, pieces, None)
    while (piece := following.result()) is not None:
        following = reader.submit(next, pieces, None)
        yield piece
