"""The models in memory, kept in step with the store.

`refresh` plans which versions a name needs, loads the missing ones beside the requests, and only then replaces what the name
answers with, by one assignment. A request that is running finishes with the model that it began with.
"""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from contract.aliases import Alias
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from service.errors import ModelNotServed, UnknownVersion
from service.runtime import runtimes
from service.runtime.loaded_model import LoadedModel
from service.telemetry import metrics
from service.versions.golden_check import RuntimeLoader
from service.versions.not_served import nothing_for, unknown_version
from service.versions.served_versions import Choice, ServedVersions
from service.versions.serving_plan import Found, ServingPlan, plan_serving
from service.versions.trials import Kind, Trial
from service.versions.version_loader import ALIASES, FOLDER, Refusal, VersionLoader

logger = logging.getLogger(__name__)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""The start of a trial that is no longer in the history of its alias."""


LISTED_SECONDS: Final = 0.1
"""So long a listing of a name's versions answers all requests for versions that are not there."""


class _Listing(NamedTuple):
    at: float  # time.monotonic()
    versions: frozenset[str]  # in the store, without those that were refused since


class Registry:
    """`keep_previous` versions that production named before stay in memory, so that a rollback takes effect at once."""

    def __init__(self, store: ModelStore, load: RuntimeLoader = runtimes.load, keep_previous: int = 1) -> None:
        self._store, self._loader, self._keep_previous = store, VersionLoader(store, load), keep_previous
        self.served: dict[str, ServedVersions] = {}  # by name; entries are replaced while requests read
        self._aliases: dict[str, dict[str, Alias]] = {}  # by name, as they were last readable
        self._pinned: dict[str, dict[str, float]] = {}  # by name: version -> time.monotonic() of the last request for it
        self._listed: dict[str, _Listing] = {}  # by name
        self._ended: set[tuple[str, str, str, object]] = set()  # failed canaries, which stay ended whatever the store says
        self._owed: dict[tuple[str, str, str, object], str] = {}  # of these, what the store has yet to withdraw, and why
        self._fault = ""  # of the store, at the last withdrawal
        self._lock = threading.RLock()  # one change at a time; readers need none

    def load_all(self) -> None:
        """Raises ModelNotServed when no model can be served."""
        self.refresh()
        if not self.served:
            reasons = "; ".join(f"{r.name}:{r.version}: {r.reason}" for r in self.refusals) or "it is empty"
            raise ModelNotServed(f"no model in {self._store.root} can be served: {reasons}")

    def refresh(self) -> None:
        """Bring memory in step with the store. A version that cannot be read or fails a check replaces no other."""
        with self._lock:
            for name in sorted({*self._store.names(), *self.served, *(refusal.name for refusal in self.refusals)}):
                self._refresh_name(name)
            self._withdraw_owed()
            metrics.refused_versions.set(len(self.refusals))

    def find(self, name: str, wanted: str | None = None, key: str | None = None) -> Choice | None:
        """The model of this name; `wanted` is a version or an alias. None: call `look_up` and `load_pinned` first.

        Raises UnknownModel, LengthNotServed, ModelNotServed, or UnknownVersion for a version that was looked up a moment ago.
        """
        served = self._served(name)
        if wanted is not None and wanted in (pinned := self._pinned.get(name, {})):
            pinned[wanted] = time.monotonic()
        choice = served.choose(wanted, key)
        if choice is None and wanted is not None:
            self._check_there(name, wanted, served)
        return choice

    def look_up(self, name: str, version: str) -> None:
        """Raises UnknownVersion unless the version is in the store. Does not wait for a version that loads."""
        served = self._served(name)
        if not self._check_there(name, version, served) and version not in (self._list(name) or ()):
            raise self._unknown(name, version, served)

    def load_pinned(self, name: str, version: str) -> Choice:
        """Load a version that a request names and no alias names. Raises UnknownVersion."""
        with self._lock:
            served = self._served(name)
            if (there := served.choose(version, None)) is not None:  # another request had it loaded meanwhile
                return there
            if not self._check_there(name, version, served):
                self._list(name)
            if version in self._listed[name].versions:
                self._pinned.setdefault(name, {})[version] = time.monotonic()
                self._refresh_name(name)
                served = self._served(name)
            if (loaded := served.choose(version, None)) is None:
                self._listed[name] = _Listing(time.monotonic(), self._listed[name].versions - {version})
                raise self._unknown(name, version, served)
            return loaded

    def end_canary(self, trial: Trial, reason: str) -> None:
        """Stop a canary here, and withdraw it in the store for the other workers: now, or at a later look."""
        trial.ended = True
        ended = (trial.name, trial.alias, trial.candidate.manifest.version, trial.since)
        if ended in self._ended:
            return
        self._ended.add(ended)
        logger.error("canary %s:%s of %s withdrawn: %s", trial.name, ended[2], trial.alias, reason)
        metrics.canary_rollbacks.labels(trial.name).inc()
        self._owed[ended] = reason
        self._withdraw(ended, reason)  # before the lock, which is held while a version loads
        with self._lock:
            self._refresh_name(trial.name)

    @property
    def models(self) -> list[LoadedModel]:
        """All models in memory."""
        return [model for served in [*self.served.values()] for model in served.versions.values()]

    @property
    def trials(self) -> list[Trial]:
        return [t for served in [*self.served.values()] for t in (*served.canaries.values(), *served.shadows.values())]

    @property
    def refusals(self) -> list[Refusal]:
        return self._loader.refusals

    def _list(self, name: str) -> list[str] | None:
        """The versions in the store; None where the name's folder cannot be read."""
        try:
            versions = self._store.versions(name)
        except OSError as error:
            versions = None
            self._loader.refuse(name, FOLDER, f"the folder of {name} cannot be read: {error.strerror or error}")
        else:
            self._loader.accept(name, FOLDER)
        self._listed[name] = _Listing(time.monotonic(), frozenset(versions or ()))
        return versions

    def _check_there(self, name: str, version: str, served: ServedVersions) -> bool:
        """Whether the version is in a listing that is new enough. Raises UnknownVersion if it is not in that listing."""
        listed = self._listed.get(name)
        if listed is None or time.monotonic() > listed.at + LISTED_SECONDS:
            return False
        if version not in listed.versions:
            raise self._unknown(name, version, served)
        return True

    def _refresh_name(self, name: str) -> None:
        """Look at the store, plan, load what is missing, then replace what the name answers with."""
        before = self.served.get(name)
        on_disk = self._list(name)
        if on_disk is None:
            return
        if before is not None and not on_disk and not (self._store.root / name).is_dir():
            return  # a volume is gone for a while, and its aliases with it
        aliases = self._readable_aliases(name)
        misnamed = self._store.misnamed(name)
        named = {version for alias in aliases.values() for version in alias.named}
        self._loader.forget(name, there={*on_disk, *misnamed, *named})
        for folder in misnamed:
            self._loader.refuse(name, folder, "its name is not UTF-8: rename or delete the folder")
        found = Found(
            on_disk,
            aliases,
            self._store.preference(name, aliases),
            self._pinned.get(name, {}),
            before.default.manifest.version if before and (on_disk or aliases) else None,
        )
        loaded = dict(before.versions) if before else {}
        plan = self._load(name, found, loaded)
        self._pinned[name] = {version: found.asked[version] for version in plan.pinned}
        if plan.default is None:
            if before is not None:
                del self.served[name]
                logger.warning("no longer serving %s: its last version was deleted", name)
            return
        versions = {version: model for version, model in loaded.items() if version in plan.needed}
        served = ServedVersions(
            versions=versions,
            aliases=plan.answers,
            default=versions[plan.default],
            canaries=self._trials(name, "canary", aliases, versions, before.canaries if before else {}),
            shadows=self._trials(name, "shadow", aliases, versions, before.shadows if before else {}),
        )
        self.served[name] = served
        if before is None:
            metrics.canary_rollbacks.labels(name)  # begins at 0: an alert does not see a series that begins at 1 increase
        if before is None or before.default is not served.default:
            metrics.swaps.labels(name).inc()
            logger.info("serving %s:%s", name, plan.default)

    def _load(self, name: str, found: Found, loaded: dict[str, LoadedModel]) -> ServingPlan:
        """Add to `loaded` what the plan needs. A version that cannot be loaded changes the plan."""
        failed: set[str] = set()
        while True:
            plan = plan_serving(found, self._keep_previous, failed)
            missing = next((version for version in plan.needed if version not in loaded), None)
            if missing is None:
                return plan
            if (model := self._loader.load(name, missing)) is None:
                failed.add(missing)
            else:
                loaded[missing] = model

    def _withdraw_owed(self) -> None:
        """After a fault of the store, try again what failed here, unless the trial has ended or another has begun."""
        for owed, reason in list(self._owed.items()):
            name, label, version, since = owed
            alias = self._aliases.get(name, {}).get(label)
            if alias is not None and alias.trials.get("canary") == version and _since(alias, "canary") == since:
                self._withdraw(owed, reason)
            else:
                self._owed.pop(owed, None)

    def _withdraw(self, owed: tuple[str, str, str, object], reason: str) -> None:
        name, label, version, _ = owed
        try:
            self._store.withdraw(name, label, canary=True, shadow=False, version=version, reason=reason)
        except (OSError, BrokenVersion) as error:
            if str(error) != self._fault:  # said once, not at each look
                logger.error("the canary ended in this worker only, the store could not be written: %s", error)
            self._fault = str(error)
        else:
            self._owed.pop(owed, None)
            self._fault = ""

    def _trials(
        self,
        name: str,
        kind: Kind,
        aliases: Mapping[str, Alias],
        versions: dict[str, LoadedModel],
        before: Mapping[str, Trial],
    ) -> dict[str, Trial]:
        """The trials that the store asks for, if both versions are in memory. A trial that goes on keeps its figures."""
        trials = {}
        for label, alias in aliases.items():
            tried = alias.trials.get(kind)
            if tried not in versions or alias.version not in versions:
                continue
            if versions[tried].manifest.differs_from(versions[alias.version].manifest):  # an edited store: nothing to compare
                continue
            since = _since(alias, kind)
            percent = alias.canary.percent if kind == "canary" and alias.canary else 100.0
            asked = (kind, versions[alias.version], versions[tried], percent, since)
            if (name, label, tried, since) in self._ended:
                continue
            old = before.get(label)
            trials[label] = old if old is not None and old.same(*asked) else Trial(kind, label, *asked[1:])
        return trials

    def _readable_aliases(self, name: str) -> dict[str, Alias]:
        """The aliases in the store; those of the last look where they cannot be read."""
        try:
            self._aliases[name] = self._store.aliases(name)
        except (BrokenVersion, OSError) as error:
            self._loader.refuse(name, ALIASES, str(error))
        else:
            self._loader.accept(name, ALIASES)
        return self._aliases.get(name, {})

    def _unknown(self, name: str, wanted: str, served: ServedVersions) -> UnknownVersion:
        return unknown_version(name, wanted, served, self._loader.reason(name, wanted))

    def _served(self, name: str) -> ServedVersions:
        """What the name answers with. Raises UnknownModel, LengthNotServed or ModelNotServed."""
        try:
            return self.served[name]
        except KeyError:
            raise nothing_for(name, [*self.served]) from None


def _since(alias: Alias, kind: Kind) -> datetime:
    """When the alias' trial of this kind began."""
    return next((event.at for event in reversed(alias.history) if event.what == kind), _LONG_AGO)
