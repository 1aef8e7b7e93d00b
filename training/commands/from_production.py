"""`retrain` reads a new file, and trains, as the version in production was: only what the user names anew differs."""

import contextlib
from collections.abc import Collection
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar

from contract.aliases import PRODUCTION
from contract.manifest import Manifest
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from training.plan import Chosen
from training.sequences.source import Source


def manifest_in_production(store: ModelStore, name: str) -> Manifest | None:
    """Of a model of the user's own data; None where there is none, or where its files are broken."""
    named = store.readable_aliases(name).get(PRODUCTION)
    if named is None:
        return None
    with contextlib.suppress(BrokenVersion):
        manifest = store.verify(name, named.version)
        return manifest if manifest.data is not None else None
    return None


def read_as(manifest: Manifest, source: Source, named: Collection[str] = ()) -> Source:
    """`source`, with the columns, task and split of the manifest where the user named none. `named`: fields of the user's."""
    assert manifest.data is not None  # noqa: S101 - see manifest_in_production
    facts = manifest.data
    before: dict[str, Any] = {
        "task": manifest.task,
        "per_step": manifest.shape.per_step,
        "held_out": facts.held_out_fraction,
        "seed": facts.split_seed,
        **{name: tuple(value) if isinstance(value, list) else value for name, value in facts.read_as.items()},
    }
    return _filled(source, {name: value for name, value in before.items() if name not in named})


def trained_as(manifest: Manifest, chosen: Chosen) -> Chosen:
    """`chosen`, with the network of the manifest, and with what its gate compared, where the user named nothing."""
    before: dict[str, Any] = {"units": manifest.units}
    if manifest.task != "echo":
        before |= {"layers": manifest.layers, "scaling": manifest.scaling}
    if manifest.score is not None:
        before |= {"metric": manifest.score.metric, "bar": manifest.score.bar, "beats": tuple(manifest.score.beats)}
    return _filled(chosen, before)


Options = TypeVar("Options", Source, Chosen)


def _filled(options: Options, before: dict[str, Any]) -> Options:
    usual = {field.name: field.default for field in fields(options) if field.default is not MISSING}
    return replace(options, **{name: value for name, value in before.items() if getattr(options, name) == usual[name]})
