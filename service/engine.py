"""Look up, check, reshape, run, reshape back. Knows arrays and models; knows nothing of HTTP or BentoML."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contract.topologies import TOPOLOGIES, Floats, Rows, ShapeError, Topology, TopologyName
from service.errors import InvalidShape
from service.registry import LoadedModel


class Models(Protocol):
    """Where the engine finds a model: the registry, or a stand-in for it."""

    def find(self, topology: Topology, length: int) -> LoadedModel:
        """Raises LengthNotServed or ModelNotServed."""


@dataclass(frozen=True)
class Echo:
    """The engine's answer: `values` are the model's, in the rows' own order and lengths."""

    model: LoadedModel
    rows: Rows
    values: Floats  # (items,)
    in_domain: list[bool]  # (rows,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.model.manifest.shape.input_shape(self.rows)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.model.manifest.shape.output_shape(self.rows)


class Engine:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def predict(self, topology_name: TopologyName, rows: Rows) -> Echo:
        """Raises InvalidShape, LengthNotServed or ModelNotServed."""
        topology = TOPOLOGIES[topology_name]
        try:
            topology.check(rows)
        except ShapeError as error:
            raise InvalidShape(str(error), expected=error.expected, received=error.received, hint=error.hint) from error
        model = self._models.find(topology, int(rows.lengths[0]))
        return Echo(model, rows, _run(model, rows), _in_domain(model, rows))


def _run(model: LoadedModel, rows: Rows) -> Floats:
    topology = model.manifest.shape
    if not topology.return_sequences or rows.uniform:
        return topology.from_model(model.runtime.predict(topology.to_model(rows)), rows)
    # Ragged rows of many_to_many run in groups by the power of two above their length, so that padding at most
    # doubles the work, and one long row among many short ones does not multiply it.
    values = np.empty_like(rows.values)
    octaves = np.ceil(np.log2(rows.lengths))
    for octave in np.unique(octaves):
        chosen = np.repeat(octaves == octave, rows.lengths)  # (items,)
        group = Rows(rows.values[chosen], rows.lengths[octaves == octave])
        values[chosen] = topology.from_model(model.runtime.predict(topology.to_model(group)), group)
    return values


def _in_domain(model: LoadedModel, rows: Rows) -> list[bool]:
    domain = model.manifest.domain
    inside = (rows.values >= domain.low) & (rows.values < domain.high)  # (items,)
    verdicts: list[bool] = np.logical_and.reduceat(inside, rows.starts).tolist()
    return verdicts
