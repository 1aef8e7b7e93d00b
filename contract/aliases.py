"""An alias: a movable name for a version, with its earlier versions, its trials and its history.

Pure values: each change returns a new alias. `contract/store.py` checks versions and writes aliases.
"""

import re
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

PRODUCTION: Final = "production"
NAME: Final = r"[a-z][a-z0-9_-]{0,62}"
"""The pattern of an alias. Versions begin with a digit, so an alias never looks like a version."""
RESERVED: Final = ("latest", "default", "canary", "shadow")
"""These words have another meaning where a request names an alias."""
What = Literal["promote", "rollback", "canary", "shadow", "withdraw", "delete"]
HISTORY: Final = 1_000
"""An alias keeps so many events and earlier versions. The watcher reads the file again and again, so it must stay small."""


def check_name(alias: str) -> str:
    """Return the alias. Raises ValueError where it is reserved or malformed."""
    if alias in RESERVED:
        raise ValueError(f"{alias} is a reserved word: choose another alias")
    if not re.fullmatch(NAME, alias):
        raise ValueError("expected an alias of lower-case letters, such as production or candidate")
    return alias


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Canary(_Frozen):
    """A version that answers a part of the alias' requests."""

    version: str
    percent: float = Field(gt=0, lt=100, allow_inf_nan=False)


class Event(_Frozen):
    at: AwareDatetime
    what: What
    version: str
    reason: str = ""


class Alias(_Frozen):
    versions: tuple[str, ...] = Field(
        min_length=1, description="Every version that the alias named, oldest first; the last is current."
    )
    canary: Canary | None = None
    shadow: str | None = Field(default=None, description="A version that receives a copy of the traffic and never answers.")
    history: tuple[Event, ...] = ()

    @classmethod
    def first(cls, version: str) -> "Alias":
        return _changed(cls(versions=(version,)), "promote", version)

    @property
    def version(self) -> str:
        return self.versions[-1]

    @property
    def trials(self) -> dict[str, str]:
        """The versions on trial: `canary` and `shadow` -> version."""
        return ({"canary": self.canary.version} if self.canary else {}) | ({"shadow": self.shadow} if self.shadow else {})

    @property
    def named(self) -> set[str]:
        """Every version that the alias needs."""
        return {self.version, *self.trials.values()}

    def promoted(self, version: str) -> "Alias":
        """The alias with another current version. The canary ends, and so does a shadow of this version."""
        if version == self.version:
            return self
        shadow = None if self.shadow == version else self.shadow
        return _changed(self, "promote", version, versions=(*self.versions, version)[-HISTORY:], canary=None, shadow=shadow)

    def rolled_back(self, version: str) -> "Alias":
        """The alias with an earlier version current and the later ones forgotten. The canary ends."""
        place = len(self.versions) - 2 - self.versions[-2::-1].index(version)
        ended = self.withdrawn(canary=True, shadow=self.shadow == version, version=None, reason="rollback")
        return _changed(ended, "rollback", version, f"from {self.version}", versions=self.versions[: place + 1])

    def with_canary(self, canary: Canary) -> "Alias":
        if canary == self.canary:
            return self
        return _changed(self, "canary", canary.version, f"{canary.percent:g} %", canary=canary)

    def with_shadow(self, version: str) -> "Alias":
        return self if version == self.shadow else _changed(self, "shadow", version, shadow=version)

    def withdrawn(self, *, canary: bool, shadow: bool, version: str | None, reason: str) -> "Alias":
        """The alias without its canary, its shadow or both. With `version`, only a trial of that version ends."""
        alias = self
        for trial, wanted in (("canary", canary), ("shadow", shadow)):
            tried = self.trials.get(trial)
            if wanted and tried and version in (None, tried):
                alias = _changed(alias, "withdraw", tried, f"{trial}: {reason}" if reason else trial, **{trial: None})
        return alias

    def without(self, version: str) -> "Alias":
        """The alias without a deleted version. The version must not be `named`."""
        if version not in self.versions:
            return self
        left = [each for each in self.versions if each != version]
        way_back = tuple(
            each for place, each in enumerate(left) if left[place + 1 : place + 2] != [each]
        )  # no version twice in a row
        return _changed(self, "delete", version, versions=way_back)


def uses_of(version: str, aliases: dict[str, Alias]) -> str:
    """Where aliases use a version, such as "production, canary of candidate"; empty for an unused version."""
    uses = [label for label, alias in aliases.items() if alias.version == version]
    for label, alias in aliases.items():
        uses += [f"{trial} of {label}" for trial, tried in alias.trials.items() if tried == version]
    return ", ".join(uses)


def _changed(alias: Alias, what: What, version: str, reason: str = "", **fields: object) -> Alias:
    event = Event(at=datetime.now(UTC), what=what, version=version, reason=reason)
    return alias.model_copy(update={**fields, "history": (*alias.history, event)[-HISTORY:]})
