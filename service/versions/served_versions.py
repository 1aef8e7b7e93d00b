"""What a name answers with: its versions in memory, their aliases and their trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.aliases import PRODUCTION
from service.runtime.loaded_model import LoadedModel
from service.versions.trials import Trial


class Choice(NamedTuple):
    """The model that answers a request, and the trials for which the answer counts."""

    model: LoadedModel
    canary: Trial | None = None
    shadow: Trial | None = None

    @property
    def on_trial(self) -> bool:
        """Whether the canary answers."""
        return self.canary is not None and self.model is self.canary.candidate


@dataclass(frozen=True)
class ServedVersions:
    """Immutable: the registry replaces it as a whole, by one assignment."""

    versions: Mapping[str, LoadedModel]
    aliases: Mapping[str, str]  # alias -> version in memory
    default: LoadedModel  # for requests that name no version
    canaries: Mapping[str, Trial]  # by alias
    shadows: Mapping[str, Trial]
    usual: Choice | None = field(init=False)  # of a request that names no version; None while a canary draws each

    def __post_init__(self) -> None:
        usual = None if PRODUCTION in self.canaries else Choice(self.default, None, self.shadows.get(PRODUCTION))
        object.__setattr__(self, "usual", usual)

    @property
    def names_of_default(self) -> list[str]:
        """The aliases of the default version."""
        return sorted(alias for alias, version in self.aliases.items() if version == self.default.manifest.version)

    def choose(self, wanted: str | None, key: str | None) -> Choice | None:
        """The model for a request that names a version, an alias or neither; None if it is not in memory.

        `production` means the default even where no such alias exists: an image has versions but no aliases.
        """
        if wanted is None or wanted == PRODUCTION:
            alias, model = PRODUCTION, self.default
        elif wanted in self.aliases:
            alias, model = wanted, self.versions[self.aliases[wanted]]
        else:
            return Choice(self.versions[wanted]) if wanted in self.versions else None
        canary = self.canaries.get(alias)
        if canary is not None and canary.draws(key):
            return Choice(canary.candidate, canary)
        return Choice(model, canary, self.shadows.get(alias))
