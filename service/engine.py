"""Look up, check, batch. Knows arrays and models; knows nothing of HTTP or BentoML."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from contract.topologies import TOPOLOGIES, Floats, Rows, ShapeError, Topology, TopologyName
from service.batching import Batcher
from service.buckets import MOST
from service.caller import Caller
from service.errors import InvalidShape
from service.model import LoadedModel


class Models(Protocol):
    """Where the engine finds a model: the registry, or a stand-in for it."""

    def find(self, topology: Topology, length: int) -> LoadedModel:
        """Raises LengthNotServed or ModelNotServed."""


@dataclass(slots=True)
class Echo:
    """The engine's answer: `values` are the model's, in the rows' own order and lengths."""

    model: LoadedModel
    rows: Rows
    values: Floats  # (items,)
    in_domain: list[bool]  # (rows,)


class Engine:
    """One for all protocols, so that their requests share batches."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._executor = ThreadPoolExecutor(thread_name_prefix="model")
        self._batchers: dict[LoadedModel, Batcher] = {}

    async def predict(self, topology_name: TopologyName, rows: Rows, caller: Caller) -> Echo:
        """Raises InvalidShape, LengthNotServed, ModelNotServed or DeadlineExceeded."""
        topology = TOPOLOGIES[topology_name]
        try:
            topology.check(rows)
        except ShapeError as error:
            raise InvalidShape(str(error), expected=error.expected, received=error.received, hint=error.hint) from error
        model = self._models.find(topology, rows.lengths[0])
        values, in_domain = await self._batcher(model).run(rows, caller)
        return Echo(model, rows, values, in_domain)

    def _batcher(self, model: LoadedModel) -> Batcher:
        try:
            return self._batchers[model]
        except KeyError:
            labels = (model.manifest.name, model.manifest.version)
            return self._batchers.setdefault(model, Batcher(model, self._executor, MOST, labels))
