"""The models in memory: which are served, which were refused and why."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.store import BrokenVersion, ModelStore
from contract.topologies import Rows, Topology
from service.errors import LengthNotServed, ModelNotServed
from service.model import LoadedModel
from service.runtime import Runtime, SavedModel

logger = logging.getLogger(__name__)
Loader = Callable[[Path, Topology, int, tuple[str, str]], Runtime]


@dataclass(frozen=True)
class Refusal:
    name: str
    version: str
    reason: str


class Registry:
    """Loads, per name in the store, the first version that passes its checks: `production`, then the newest."""

    def __init__(self, store: ModelStore, load: Loader = SavedModel) -> None:
        self._store, self._load = store, load
        self._models: dict[str, LoadedModel] = {}
        self._refusals: list[Refusal] = []

    def load_all(self) -> None:
        """Raises ModelNotServed when nothing at all can be served."""
        for name in self._store.names():
            self._load_name(name)
        if not self._models:
            reasons = "; ".join(f"{r.name}:{r.version}: {r.reason}" for r in self._refusals) or "it is empty"
            raise ModelNotServed(f"no model in {self._store.root} can be served: {reasons}")
        for model in self._models.values():
            model.runtime.serve()

    def find(self, topology: Topology, length: int) -> LoadedModel:
        """The model that serves rows of this length. Raises LengthNotServed or ModelNotServed."""
        try:
            return self._models[topology.model_name(length)]
        except KeyError:
            raise self._nothing_for(topology, length) from None

    @property
    def models(self) -> list[LoadedModel]:
        return list(self._models.values())

    @property
    def refusals(self) -> list[Refusal]:
        return list(self._refusals)

    def _load_name(self, name: str) -> None:
        try:
            aliases = self._store.aliases(name)
        except BrokenVersion as error:
            self._refuse(name, "aliases", str(error))
            aliases = {}
        for version in self._store.preference(name, aliases):
            try:
                manifest = self._store.verify(name, version)
                runtime = self._load(self._store.path(name, version), manifest.shape, manifest.length, (name, version))
                model = LoadedModel(
                    manifest, runtime, tuple(sorted(a for a, target in aliases.items() if target.version == version))
                )
                check_golden(model)
            except Exception as error:  # whatever a broken file makes TensorFlow raise: the others must still be served
                self._refuse(name, version, str(error) or type(error).__name__)
                continue
            self._models[name] = model
            logger.info("serving %s:%s", name, version)
            return

    def _refuse(self, name: str, version: str, reason: str) -> None:
        logger.error("refused %s:%s: %s", name, version, reason)
        self._refusals.append(Refusal(name, version, reason))

    def _nothing_for(self, topology: Topology, length: int) -> Exception:
        served = sorted(m.manifest.length for m in self.models if m.manifest.topology == topology.name)
        options = f"--topology {topology.name}"
        if topology.any_length or not served:
            return ModelNotServed(f"no {topology.name} model is published. Train one with: {_train(options)}")
        return LengthNotServed(
            f"{topology.name} expected rows of a length that is served: {', '.join(map(str, served))}; received rows of "
            f"length {length}. Cut the rows to one of these, or train one with: {_train(f'{options} --length {length}')}",
            received_length=length,
            served_lengths=served,
        )


def _train(options: str) -> str:
    """How to, for those who have the Makefile, which has a store of its own, and for the others."""
    return f'make train ARGS="{options}"  (or: python -m training run {options})'


def check_golden(model: LoadedModel) -> None:
    """Raise BrokenVersion unless the model still gives the answers that it gave when it was published."""
    manifest = model.manifest
    for number, pair in enumerate(manifest.golden):
        values = model.run(Rows.of([pair.input])).values
        worst = float(np.abs(values - np.asarray(pair.output, np.float32)).max())
        if not worst <= manifest.golden_tolerance:  # so that NaN fails too
            raise BrokenVersion(f"golden pair {number} differs by {worst:.3g}, allowed {manifest.golden_tolerance:g}")
