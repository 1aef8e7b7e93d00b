"""An alias: a movable name for a version, the way back, what it has on trial, and everything that happened to it.

Pure values: each change gives a new alias. `contract/store.py` reads and writes them, and knows which versions are whole.
"""

import re
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

PRODUCTION: Final = "production"
NAME: Final = r"[a-z][a-z0-9_-]{0,62}"
"""Of an alias: versions begin with a digit, so none can be taken for the other."""
RESERVED: Final = ("latest", "default", "canary", "shadow")
"""Words that mean something else where aliases are named."""
What = Literal["promote", "rollback", "canary", "shadow", "withdraw", "delete"]
HISTORY: Final = 1_000
"""Events, and steps of the way back, that an alias keeps: its file is read at every look, and must not grow for ever."""


def check_name(alias: str) -> str:
    """The alias. Raises ValueError unless it may be one."""
    if alias in RESERVED:
        raise ValueError(f"{alias} has a meaning of its own, and cannot be an alias")
    if not re.fullmatch(NAME, alias):
        raise ValueError("an alias is a lower-case word such as production or candidate")
    return alias


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Canary(_Frozen):
    """A version that answers a part of what the alias is asked."""

    version: str
    percent: float = Field(gt=0, lt=100, allow_inf_nan=False)


class Event(_Frozen):
    at: AwareDatetime
    what: What
    version: str
    reason: str = ""


class Alias(_Frozen):
    versions: tuple[str, ...] = Field(min_length=1, description="The way back: oldest first, the last is what it names now.")
    canary: Canary | None = None
    shadow: str | None = Field(default=None, description="A version that is sent a copy of the traffic and never answers.")
    history: tuple[Event, ...] = ()

    @classmethod
    def first(cls, version: str) -> "Alias":
        return _changed(cls(versions=(version,)), "promote", version)

    @property
    def version(self) -> str:
        return self.versions[-1]

    @property
    def trials(self) -> dict[str, str]:
        """What it has on trial: `canary` and `shadow` -> version."""
        return ({"canary": self.canary.version} if self.canary else {}) | ({"shadow": self.shadow} if self.shadow else {})

    @property
    def named(self) -> set[str]:
        """Every version that the alias needs."""
        return {self.version, *self.trials.values()}

    def promoted(self, version: str) -> "Alias":
        """The canary ends, whichever it is; a shadow goes on unless it is this version."""
        if version == self.version:
            return self
        shadow = None if self.shadow == version else self.shadow
        return _changed(self, "promote", version, versions=(*self.versions, version)[-HISTORY:], canary=None, shadow=shadow)

    def rolled_back(self, version: str) -> "Alias":
        """Back to a version that it named before, and as if it had named none since. The canary ends."""
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
        """Without its canary, its shadow or both; where `version` is given, only if they still are that one."""
        alias = self
        for trial, wanted in (("canary", canary), ("shadow", shadow)):
            tried = self.trials.get(trial)
            if wanted and tried and version in (None, tried):
                alias = _changed(alias, "withdraw", tried, f"{trial}: {reason}" if reason else trial, **{trial: None})
        return alias

    def without(self, version: str) -> "Alias":
        """With a deleted version gone from the way back. It must not be `named`."""
        if version not in self.versions:
            return self
        left = [each for each in self.versions if each != version]
        way_back = tuple(each for place, each in enumerate(left) if left[place + 1 : place + 2] != [each])  # no step to itself
        return _changed(self, "delete", version, versions=way_back)


def uses_of(version: str, aliases: dict[str, Alias]) -> str:
    """Where it is named, such as "production, canary of candidate"; empty where it is not."""
    uses = [label for label, alias in aliases.items() if alias.version == version]
    for label, alias in aliases.items():
        uses += [f"{trial} of {label}" for trial, tried in alias.trials.items() if tried == version]
    return ", ".join(uses)


def _changed(alias: Alias, what: What, version: str, reason: str = "", **fields: object) -> Alias:
    event = Event(at=datetime.now(UTC), what=what, version=version, reason=reason)
    return alias.model_copy(update={**fields, "history": (*alias.history, event)[-HISTORY:]})
