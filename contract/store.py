"""The model store on disk: publishing and deleting versions, moving aliases. Every write is atomic.

The store is a BentoML model store, `$BENTOML_HOME/models`, so `bentoml models list` and `bentoml build` work with it:

    models/<name>/<version>/            saved_model.pb, variables/, assets.extra/, model.yaml, gate.json, manifest.json
    models/<name>/aliases.json          {"production": {"versions": [older, ..., current], ...}}: `contract/aliases.py`
    models/<name>/latest                for BentoML's own tools; this project takes the newest whole version instead
    models/<name>/.lock                 held while aliases change or a version is deleted
    unroll-staging/unroll-<random>/     where a version is assembled or removed; same file system, never read

One rename of a complete folder makes a version appear or go. So a reader sees the whole version or nothing,
even if the writer is killed. Version names sort by time.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from contract.aliases import PRODUCTION, Alias, Canary, check_name, uses_of
from contract.atomic_files import hash_files, locked, staging_folder, sync, sync_tree, write_atomically
from contract.hints import did_you_mean, typed
from contract.manifest import Manifest
from contract.store_reader import ALIASES, ALIASES_FILE, MANIFEST, BrokenVersion, StoreReader

STAGING: Final = "unroll-staging"
"""Beside the models: a folder that no other program uses. Folders whose writer died are removed from it."""


class ModelStore(StoreReader):
    """The whole store: what `StoreReader` reads, and every change."""

    def check_ready(self, name: str) -> None:
        """Raises OSError or BrokenVersion where publishing would fail. A job asks before training, not after."""
        self.aliases(name)
        self.root.mkdir(parents=True, exist_ok=True)
        final = self.root / name if self.versions(name) else self.root
        with staging_folder(self.root.parent / STAGING) as staging:
            (staging / "probe").touch()
            (staging / "probe").rename(final / f".{staging.name}.tmp").unlink(
                missing_ok=True
            )  # another writer may have removed it

    def publish(self, manifest: Manifest, fill: Callable[[Path], None]) -> Manifest:
        """Publish the folder `<name>/<version>` that `fill` makes below an empty folder.

        Returns the manifest with the hashes of all files. Raises OSError when the disk is full or not writable. Then
        nothing is published, unless only the last step, `mark_latest`, failed: `versions` tells.
        """
        final = self.path(manifest.name, manifest.version)
        with staging_folder(self.root.parent / STAGING) as staging:
            fill(staging)
            folder = staging / manifest.name / manifest.version
            whole = manifest.model_copy(update={"files": hash_files(folder, but=MANIFEST)})
            (folder / MANIFEST).write_text(whole.model_dump_json(indent=2) + "\n")
            sync_tree(folder)
            final.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(final)
            sync(final.parent)
            sync(self.root)
        self.mark_latest(manifest.name)
        return whole

    def mark_latest(self, name: str) -> None:
        """Write the newest version into `latest`, for BentoML's own tools: the last step of publishing."""
        with self._locked(name):  # a slow writer of an older version must not move `latest` back
            write_atomically(self.root / name / "latest", self.versions(name)[-1])

    def promote(self, name: str, alias: str, version: str) -> None:
        """Let an alias, new or not, name a version.

        Raises BrokenVersion unless the version is whole and of the alias' task, and ValueError as `check_name`."""
        check_name(alias)
        with self._changing(name) as aliases:
            manifest = self._verify_known(name, version)
            if alias in aliases:
                self._check_task(manifest, alias, aliases[alias].version)
            aliases[alias] = aliases[alias].promoted(version) if alias in aliases else Alias.first(version)

    def set_canary(self, name: str, alias: str, version: str, percent: float) -> None:
        """Let a version answer `percent` (0 < percent < 100) of an alias' traffic. Raises BrokenVersion as `promote`."""
        with self._changing(name) as aliases:
            self._verify_trial(name, alias, version, aliases)
            aliases[alias] = aliases[alias].with_canary(Canary(version=version, percent=percent))

    def set_shadow(self, name: str, alias: str, version: str) -> None:
        """Send a version a copy of an alias' traffic. Raises BrokenVersion as `promote`."""
        with self._changing(name) as aliases:
            self._verify_trial(name, alias, version, aliases)
            aliases[alias] = aliases[alias].with_shadow(version)

    def withdraw(
        self, name: str, alias: str, *, canary: bool, shadow: bool, reason: str = "", version: str | None = None
    ) -> bool:
        """End an alias' trials; with `version`, only a trial of that version. Returns whether a trial ended."""
        with self._changing(name) as aliases:
            before = _known(name, alias, aliases)
            aliases[alias] = before.withdrawn(canary=canary, shadow=shadow, version=version, reason=reason)
            return aliases[alias] is not before

    def unalias(self, name: str, alias: str) -> str:
        """Delete an alias with its history and its trials. Returns the version that it named."""
        with self._changing(name) as aliases:
            _known(name, alias, aliases)
            return aliases.pop(alias).version

    def rollback(self, name: str, alias: str) -> str:
        """Let an alias name its last earlier version that is still whole. Returns that version."""
        with self._changing(name) as aliases:
            current = _known(name, alias, aliases)
            version = self.way_back(name, current)
            if version is None:
                tried = ", ".join(dict.fromkeys(current.versions[-2::-1])) or "none"
                raise BrokenVersion(
                    f"{alias} of {name} has no whole version to go back to; it named before: {tried}. "
                    f"Choose a version with: {typed(f'promote {name}@VERSION --alias {alias}')}"
                )
            aliases[alias] = current.rolled_back(version)
            return version

    def way_back(self, name: str, alias: Alias) -> str | None:
        """The version that a rollback would choose: the last earlier one that is whole."""
        for version in dict.fromkeys(alias.versions[-2::-1]):
            if version != alias.version and self.is_whole(name, version):
                return version
        return None

    def check_alias(self, name: str, alias: str) -> None:
        """Raises BrokenVersion where the name has no such alias."""
        _known(name, alias, self.aliases(name))

    def check_unused(self, name: str, version: str) -> None:
        """Raises BrokenVersion where `delete` would refuse."""
        self._check_known(name, version)
        _check_unused(name, version, self.aliases(name))

    def delete(self, name: str, version: str) -> None:
        """Delete a version, broken or not. Raises BrokenVersion while an alias uses the version."""
        with staging_folder(self.root.parent / STAGING) as staging, self._locked(name):
            self._delete(name, version, staging)

    def prune(self, name: str, keep: int) -> list[str]:
        """Delete and return the versions that `prunable` lists."""
        with staging_folder(self.root.parent / STAGING) as staging, self._locked(name):
            doomed = self.prunable(name, keep)
            for version in doomed:
                self._delete(name, version, staging)
            return doomed

    def prunable(self, name: str, keep: int) -> list[str]:
        """All versions except the `keep` newest, those in use, and the one that a rollback of `production` would choose."""
        aliases = self.aliases(name)
        needed = {version for alias in aliases.values() for version in alias.named}
        if production := aliases.get(PRODUCTION):
            needed.add(self.way_back(name, production) or production.version)
        versions = self.versions(name)
        return [version for version in versions[: max(0, len(versions) - keep)] if version not in needed]

    def _delete(self, name: str, version: str, staging: Path) -> None:
        """The caller holds the lock, so no alias can take the version up. After a kill at any step, deleting works again."""
        self._check_known(name, version)
        with self._edited(name) as aliases:
            _check_unused(name, version, aliases)
            aliases.update({label: alias.without(version) for label, alias in aliases.items()})
        left = [each for each in self.versions(name) if each != version]
        latest = self.root / name / "latest"
        write_atomically(latest, left[-1]) if left else latest.unlink(missing_ok=True)
        self.path(name, version).rename(staging / version)
        sync(self.root / name)

    @contextlib.contextmanager
    def _changing(self, name: str) -> Iterator[dict[str, Alias]]:
        with self._locked(name), self._edited(name) as aliases:
            yield aliases

    @contextlib.contextmanager
    def _edited(self, name: str) -> Iterator[dict[str, Alias]]:
        """The aliases of a name, to be changed in place under the lock. Changes are written at the end of the block."""
        aliases = self.aliases(name)
        before = aliases.copy()
        yield aliases
        if aliases != before:
            write_atomically(self.root / name / ALIASES, ALIASES_FILE.dump_json(aliases, indent=1).decode() + "\n")

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        if not (self.root / name).is_dir() or not self.is_model(name):
            raise BrokenVersion(no_model(name, self.names()))
        with locked(self.root / name):
            yield

    def _check_known(self, name: str, version: str) -> None:
        if version not in (versions := self.versions(name)):
            aliases = self.readable_aliases(name)
            known = f"its newest: {', '.join(versions[-3:]) or 'none'}; its aliases: {', '.join(aliases) or 'none'}"
            raise BrokenVersion(f"{name} has no version {version}; {known}{did_you_mean(version, [*versions, *aliases])}")

    def _verify_known(self, name: str, version: str) -> Manifest:
        self._check_known(name, version)
        try:
            return self.verify(name, version)
        except BrokenVersion as error:
            raise BrokenVersion(f"{name}@{version} is broken: {error}") from error

    def _verify_trial(self, name: str, alias: str, version: str, aliases: dict[str, Alias]) -> None:
        if alias not in aliases:
            now = next((each for each in self.preference(name, aliases) if self.is_whole(name, each)), version)
            where = "" if alias == PRODUCTION else f" --alias {alias}"
            raise BrokenVersion(f"{_missing(name, alias, aliases)}; first promote {name}@{now}{where}")
        if aliases[alias].version == version:
            raise BrokenVersion(f"{alias} of {name} names {version} already: try another version")
        manifest = self._verify_known(name, version)
        baseline = self._whole(name, aliases[alias].version)
        if baseline is not None and (why := manifest.differs_from(baseline)):
            raise BrokenVersion(f"{name}@{version} cannot be compared with {alias} of {name}: it has {why}")

    def _check_task(self, manifest: Manifest, alias: str, current: str) -> None:
        """The clients of an alias expect answers of one kind."""
        there = self._whole(manifest.name, current)
        if there is not None and there.task != manifest.task:
            named = f"{alias} of {manifest.name} names a version of task {there.task}; received one of task {manifest.task}"
            raise BrokenVersion(f"{named}: train it under another name, with --name")

    def _whole(self, name: str, version: str) -> Manifest | None:
        """The manifest of a version, or None where it is broken."""
        try:
            return self.verify(name, version)
        except BrokenVersion:
            return None


def new_version(now: datetime | None = None) -> str:
    """A new version's name: UTC to the microsecond, so names sort by time, and four random digits."""
    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def _known(name: str, alias: str, aliases: dict[str, Alias]) -> Alias:
    if alias not in aliases:
        raise BrokenVersion(_missing(name, alias, aliases))
    return aliases[alias]


def _missing(name: str, alias: str, aliases: dict[str, Alias]) -> str:
    return f"{name} has no alias {alias}; it has: {', '.join(aliases) or 'none'}{did_you_mean(alias, aliases)}"


def _check_unused(name: str, version: str, aliases: dict[str, Alias]) -> None:
    if uses := uses_of(version, aliases):
        raise BrokenVersion(f"{name}@{version} is in use as {uses}: first promote another version, withdraw it or unalias it")


def no_model(name: str, names: list[str]) -> str:
    """`names`: of the models in the store."""
    if not names:
        return f"the store has no model {name}, nor any other. Train one with: {typed('train')}"
    return f"the store has no model {name}; it has: {', '.join(names)}{did_you_mean(name, names)}"
