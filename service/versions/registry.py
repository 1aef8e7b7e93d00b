"""The models in memory, kept in step with the store: loads the new before it lets go of the old.

`refresh` looks at the store, verifies and loads what is missing beside the requests, and then replaces what a name answers
with by one assignment. Requests already running finish with the model that they were given.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from contract.aliases import PRODUCTION, Alias
from contract.atomic_files import state
from contract.store import BrokenVersion, ModelStore
from contract.topologies import Topology
from service.errors import LengthNotServed, ModelNotServed, UnknownVersion
from service.runtime import runtimes
from service.runtime.loaded_model import LoadedModel
from service.runtime.runtimes import Runtime
from service.telemetry import metrics
from service.versions.golden_check import check_golden, passes
from service.versions.served_versions import Choice, Served
from service.versions.trials import Kind, Trial

logger = logging.getLogger(__name__)
Loader = Callable[[Path], Runtime]
PINNED: Final = 4
"""Versions per name that are kept because a request asked for them, and no alias does."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""When a trial began whose beginning is no longer in the alias' history."""


@dataclass(frozen=True)
class Refusal:
    name: str
    version: str
    reason: str


class Registry:
    """`keep_previous` versions of `production`'s way back stay loaded, so that a rollback takes effect at once."""

    def __init__(self, store: ModelStore, load: Loader = runtimes.load, keep_previous: int = 1) -> None:
        self._store, self._load, self._keep_previous = store, load, keep_previous
        self._served: dict[str, Served] = {}
        self._refusals: dict[tuple[str, str], tuple[object, str]] = {}  # (name, version) -> its files, and the reason
        self._aliases: dict[str, dict[str, Alias]] = {}  # as they were last readable
        self._pinned: dict[str, dict[str, float]] = {}  # by name: version -> when it was last asked for, of time.monotonic()
        self._ended: set[tuple[str, str, str, object]] = set()  # canaries that failed, whatever the store says of them
        self._lock = threading.RLock()  # one change at a time; readers need none

    def load_all(self) -> None:
        """Raises ModelNotServed when nothing at all can be served."""
        self.refresh()
        if not self._served:
            reasons = "; ".join(f"{r.name}:{r.version}: {r.reason}" for r in self.refusals) or "it is empty"
            raise ModelNotServed(f"no model in {self._store.root} can be served: {reasons}")

    def refresh(self) -> None:
        """Bring memory in step with the store. What cannot be read or fails a check changes nothing that is served."""
        with self._lock:
            for name in sorted({*self._store.names(), *self._served, *(name for name, _ in self._refusals)}):
                self._refresh_name(name)
            metrics.refused_versions.set(len(self._refusals))

    def find(self, topology: Topology, length: int, wanted: str | None = None, key: str | None = None) -> Choice | None:
        """Who answers rows of this length; `wanted` is a version or an alias. None: call `load_pinned` first.

        Raises LengthNotServed or ModelNotServed.
        """
        name = topology.model_name(length)
        try:
            served = self._served[name]
        except KeyError:
            raise self._nothing_for(topology, length) from None
        if wanted is not None and wanted in (pinned := self._pinned.get(name, {})):
            pinned[wanted] = time.monotonic()
        return served.choose(wanted, key)

    def load_pinned(self, topology: Topology, length: int, version: str) -> Choice:
        """Load a version that a request names and no alias does. Raises UnknownVersion."""
        name = topology.model_name(length)
        with self._lock:
            served = self._served[name]
            if (there := served.choose(version, None)) is not None:  # somebody else asked for it, too
                return there
            if version in self._store.versions(name):
                self._pinned.setdefault(name, {})[version] = time.monotonic()
                self._refresh_name(name)
                served = self._served[name]
            if (loaded := served.choose(version, None)) is None:
                raise self._unknown(name, version, served)
            return loaded

    def end_canary(self, trial: Trial, reason: str) -> None:
        """Stop a canary, and have the store say so to the other workers."""
        trial.ended = True
        with self._lock:
            ended = (trial.name, trial.alias, trial.candidate.manifest.version, trial.since)
            if ended in self._ended:
                return
            self._ended.add(ended)
            logger.error("canary %s:%s of %s withdrawn: %s", trial.name, ended[2], trial.alias, reason)
            metrics.canary_rollbacks.labels(trial.name).inc()
            self._refresh_name(trial.name)
            try:
                self._store.withdraw(trial.name, trial.alias, canary=True, shadow=False, version=ended[2], reason=reason)
            except (OSError, BrokenVersion) as error:
                logger.error("the store could not be told, the canary has ended in this worker only: %s", error)

    @property
    def served(self) -> dict[str, Served]:
        """By name, what it answers with."""
        return dict(self._served)

    @property
    def models(self) -> list[LoadedModel]:
        """Everything in memory."""
        return [model for served in self.served.values() for model in served.versions.values()]

    @property
    def trials(self) -> list[Trial]:
        return [t for served in self.served.values() for t in (*served.canaries.values(), *served.shadows.values())]

    @property
    def refusals(self) -> list[Refusal]:
        return [Refusal(name, version, reason) for (name, version), (_, reason) in self._refusals.copy().items()]

    def _refresh_name(self, name: str) -> None:
        before = self._served.get(name)
        on_disk = self._store.versions(name)
        if before is not None and not on_disk:  # a volume that is gone for a while: its aliases are, too
            return
        aliases = self._readable_aliases(name)
        self._forget_refusals(name, {*on_disk, *(version for alias in aliases.values() for version in alias.named)})
        loaded: dict[str, LoadedModel | None] = dict(before.versions) if before else {}  # None: tried in vain

        def have(version: str) -> bool:
            if version not in loaded:
                loaded[version] = self._loaded(name, version)
            return loaded[version] is not None

        production = aliases.get(PRODUCTION)
        # Where what an alias names is refused, it goes on with what it named before.
        answering = {}
        for label, alias in aliases.items():
            way_back = [version for version in alias.versions[-2::-1] if version in on_disk]
            if (answer := next(filter(have, [alias.version, *way_back]), None)) is not None:
                answering[label] = answer
        wanted = set(answering.values())
        wanted |= {version for alias in aliases.values() for version in alias.trials.values() if have(version)}
        before_it = dict.fromkeys(production.versions[-2::-1]) if production else {}
        previous = (v for v in before_it if v != answering.get(PRODUCTION) and v in on_disk and have(v))
        wanted |= set(islice(previous, self._keep_previous))
        asked = self._pinned.get(name, {})
        pinned = [version for version in sorted(asked, key=asked.__getitem__) if version in on_disk and have(version)][-PINNED:]
        self._pinned[name] = {version: asked[version] for version in pinned}
        wanted |= {*pinned, *(version for version in on_disk[-1:] if have(version))}  # the newest is promoted next, most likely
        default = next((loaded[version] for version in self._store.preference(name, aliases) if have(version)), None)
        default = default or (before.default if before else None)
        if default is None:
            return
        wanted.add(default.manifest.version)
        versions = {version: model for version, model in loaded.items() if model is not None and version in wanted}
        self._served[name] = Served(
            versions=versions,
            aliases=answering,
            default=default,
            canaries=self._trials(name, "canary", aliases, versions, before.canaries if before else {}),
            shadows=self._trials(name, "shadow", aliases, versions, before.shadows if before else {}),
        )
        if before is None:
            metrics.canary_rollbacks.labels(name)  # at 0, since a series that begins at 1 has never increased
        if before is None or before.default is not default:
            metrics.swaps.labels(name).inc()
            logger.info("serving %s:%s", name, default.manifest.version)

    def _trials(
        self,
        name: str,
        kind: Kind,
        aliases: dict[str, Alias],
        versions: dict[str, LoadedModel],
        before: Mapping[str, Trial],
    ) -> dict[str, Trial]:
        """Those that the store asks for and memory has; one that goes on keeps what was seen of it."""
        trials = {}
        for label, alias in aliases.items():
            tried = alias.trials.get(kind)
            if tried not in versions or alias.version not in versions:
                continue
            since = next((event.at for event in reversed(alias.history) if event.what == kind), _LONG_AGO)
            percent = alias.canary.percent if kind == "canary" and alias.canary else 100.0
            asked = (kind, versions[alias.version], versions[tried], percent, since)
            if (name, label, tried, since) in self._ended:
                continue
            old = before.get(label)
            trials[label] = old if old is not None and old.same(*asked) else Trial(kind, label, *asked[1:])
        return trials

    def _readable_aliases(self, name: str) -> dict[str, Alias]:
        try:
            self._aliases[name] = self._store.aliases(name)
        except (BrokenVersion, OSError) as error:
            self._refuse(name, "aliases", str(error), str(error))
        else:
            self._refusals.pop((name, "aliases"), None)
        return self._aliases.get(name, {})

    def _loaded(self, name: str, version: str) -> LoadedModel | None:
        """The version, verified and ready to serve; None where a check fails, which is done again once its files change, or at
        the next look where the fault is not the files'."""
        try:
            files = state(self._store.path(name, version))
        except OSError as error:  # a network volume that hangs: nothing is known of the version
            self._refuse(name, version, None, str(error))
            return None
        if self._refusals.get((name, version), (None,))[0] == (files,):
            return None
        begun = time.monotonic()
        try:
            model = self._checked(name, version)
        except Exception as error:  # whatever a broken file makes a library raise: the others must still be served
            self._refuse(name, version, None if passes(error) else (files,), str(error) or type(error).__name__)
            return None
        self._refusals.pop((name, version), None)
        metrics.loads.labels(name, "served").inc()
        metrics.load_seconds.labels(name).observe(time.monotonic() - begun)
        logger.info("loaded %s:%s in %.0f ms", name, version, (time.monotonic() - begun) * 1e3)
        return model

    def _checked(self, name: str, version: str) -> LoadedModel:
        """From its files. Raises what is wrong with them."""
        manifest = self._store.verify(name, version)
        model = LoadedModel(manifest, self._load(self._store.path(name, version)))
        check_golden(model)
        return model

    def _refuse(self, name: str, version: str, files: object, reason: str) -> None:
        if self._refusals.get((name, version)) != (files, reason):
            logger.error("refused %s:%s: %s", name, version, reason)
            metrics.loads.labels(name, "refused").inc()
        self._refusals[name, version] = files, reason

    def _forget_refusals(self, name: str, there: set[str]) -> None:
        for refused_name, version in list(self._refusals):
            if refused_name == name and version != "aliases" and version not in there:
                del self._refusals[refused_name, version]

    def _unknown(self, name: str, wanted: str, served: Served) -> UnknownVersion:
        reason = self._refusals.get((name, wanted))
        known = f"{', '.join(sorted(served.aliases)) or 'no alias'}; in memory: {', '.join(sorted(served.versions))}"
        detail = f"expected a version or an alias of {name} ({known}); received {wanted[:100]}."
        detail += f" That version is in the store and is refused: {reason[1]}." if reason else ""
        return UnknownVersion(detail, model=name, aliases=sorted(served.aliases), versions=sorted(served.versions))

    def _nothing_for(self, topology: Topology, length: int) -> Exception:
        served = sorted({m.manifest.length for m in self.models if m.manifest.topology == topology.name})
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
