"""`unroll.load`: a model from the store, without a server. The service's own runtime answers, to the same bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from contract.manifest import Manifest
from contract.rows import Rows
from contract.topologies import ShapeError
from service.errors import InvalidShape, UnrollError
from service.runtime.loaded_model import LoadedModel
from unroll.given import moved
from unroll.inputs import in_parts, taken
from unroll.model_names import parsed
from unroll.predictions import Prediction, joined
from unroll.stored import load_version, store_at

PART_ITEMS: Final = 2**16
"""Items that are computed at a time: memory is bounded, and what is computed stays in the processor's cache."""


def load(model: str, *, store: str | Path | None = None) -> "Model":
    """`name`, `name@version` or `name@alias`, such as many_to_many@production.

    A name alone is the version that a service answers with. `store`: a folder as BENTOML_HOME is one; by default that of the
    commands. Raises an UnrollError with `type` and `detail`.
    """
    name, wanted = parsed(model)
    return Model(load_version(store_at(store), name, wanted))


class Model:
    """A version in memory."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded, manifest = loaded, loaded.manifest
        self.manifest: Manifest = manifest
        self.name, self.version, self.task, self.topology = manifest.name, manifest.version, manifest.task, manifest.topology
        self.features = tuple(feature.name for feature in manifest.features)
        self.targets = tuple(target.name for target in manifest.targets)
        self.classes = tuple(manifest.classes)

    def predict(self, rows: Any, *, strict: bool = False, sequence: str | None = None, time: str | None = None) -> Prediction:
        """`rows`: lists, a NumPy array (rows, time) or (rows, time, F), a list of arrays, or a data frame.

        A data frame has a column for each feature; `sequence` and `time` are columns that name and sort its sequences.
        `strict`: raise OutOfDomain where a row is out of the domain. Raises InvalidRequest, InvalidShape, TooFarOut or
        NotFinite.
        """
        given = taken(rows, self.features, sequence, time)
        try:
            self.manifest.check(given.rows)
        except ShapeError as error:
            raise InvalidShape(str(error), expected=error.expected, received=error.received, hint=error.hint) from error
        parts, first = [], 0
        for part in in_parts(given.rows, PART_ITEMS):
            try:
                parts.append(self._answer(part, strict))
            except UnrollError as error:
                raise moved(error, first) from None
            first += len(part.lengths)
        return replace(joined(parts), names=given.names)

    def _answer(self, rows: Rows, strict: bool) -> Prediction:
        with np.errstate(over="ignore", invalid="ignore"):
            values, inside = self._loaded.run(rows)
        if strict and not all(inside):
            raise self._loaded.domains.outside(rows)
        in_domain, lengths = np.array(inside), np.array(rows.lengths)
        return Prediction(self.name, self.version, self.task, self.topology, self.classes, values, lengths, in_domain)

    def __repr__(self) -> str:
        manifest = self.manifest
        lines = [f"<{self.name}@{self.version}: {self.task}, {self.topology}"]
        for what, quantities in (("features", manifest.features), ("targets", manifest.targets)):
            named = [f"{each.name} ({each.domain.low:g} to {each.domain.high:g})" for each in quantities[:8]]
            named += [f"... ({len(quantities)} in all)"] if len(quantities) > 8 else []
            lines += [f"  {what}: {', '.join(named)}"] if named else []
        if self.classes:
            lines.append(f"  classes: {', '.join(self.classes[:12])}" + (", ..." if len(self.classes) > 12 else ""))
        if manifest.horizon:
            lines.append(f"  horizon: {manifest.horizon} steps")
        steps = (
            f"of any length, tried up to {manifest.highest_length} steps"
            if manifest.any_length
            else f"of {manifest.length} steps"
        )
        lines.append(f"  rows: {steps}")
        if manifest.score is not None:
            lines.append(f"  {manifest.score.metric}: {manifest.score.value:.4g} on {manifest.score.rows:,} held-out rows")
        return "\n".join(lines) + ">"
