"""Which versions of a name must be in memory, and which version each alias answers with. Pure: no file, no model."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from contract.aliases import PRODUCTION, Alias

PINNED: Final = 4
"""Versions per name that stay in memory because requests asked for them, although no alias names them."""


class Found(NamedTuple):
    """What the registry knows of a name before it loads anything."""

    on_disk: Sequence[str]  # every version in the store, oldest first
    aliases: Mapping[str, Alias]
    preference: Sequence[str]  # the versions that may answer by default, best first (`ModelStore.preference`)
    asked: Mapping[str, float]  # version that a request named -> time of the last such request
    default: str | None = None  # the version that has answered by default so far; it is in memory


class ServingPlan(NamedTuple):
    """What memory must hold."""

    answers: dict[str, str]  # alias -> version
    default: str | None  # the version for requests that name none; None: the name cannot be served
    pinned: list[str]  # versions that stay because requests asked for them, the oldest request first
    needed: list[str]  # every version above and beside, in the order in which to load them


def plan_serving(found: Found, keep_previous: int, failed: Collection[str] = ()) -> ServingPlan:
    """The plan while the versions in `failed` cannot be loaded.

    `keep_previous`: how many versions that production named before stay in memory, for a rollback.
    """
    production = found.aliases.get(PRODUCTION)

    def usable(versions: Sequence[str]) -> list[str]:
        return [version for version in versions if version in found.on_disk and version not in failed]

    # While the version that an alias names is refused, the alias answers with the version that it named before.
    answers = {}
    for label, alias in found.aliases.items():
        named = [] if alias.version in failed else [alias.version]
        if candidates := [*named, *usable(alias.versions[-2::-1])]:
            answers[label] = candidates[0]
    on_trial = [v for alias in found.aliases.values() for v in alias.trials.values() if v not in failed]
    before = dict.fromkeys(usable(production.versions[-2::-1])) if production else {}
    previous = islice((version for version in before if version != answers.get(PRODUCTION)), keep_previous)
    pinned = usable(sorted(found.asked, key=found.asked.__getitem__))[-PINNED:]
    newest = usable(found.on_disk[-1:])  # most likely promoted next
    default = next((version for version in found.preference if version not in failed), found.default)
    needed = [*answers.values(), *on_trial, *previous, *pinned, *newest, *([] if default is None else [default])]
    return ServingPlan(answers, default, pinned, list(dict.fromkeys(needed)))
