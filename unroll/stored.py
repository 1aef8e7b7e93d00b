"""Finds a model in the store by its name, and a version or an alias, as the service does."""

from pathlib import Path

from contract.aliases import PRODUCTION
from contract.hints import did_you_mean, typed
from contract.store import ModelStore
from contract.store_place import HOME
from contract.store_reader import BrokenVersion
from contract.topologies import parse_echo_name
from service.errors import ModelNotServed, UnknownModel, UnknownVersion
from service.runtime import runtimes
from service.runtime.loaded_model import LoadedModel
from service.versions.golden_check import load_checked
from service.versions.serving_plan import Found, plan_serving
from training import environment


def store_at(folder: str | Path | None = None) -> ModelStore:
    """The store in a project's or a BENTOML_HOME's `folder`; without one, that of the commands."""
    if folder is None:
        return ModelStore(environment.place().models)
    home = Path(folder).expanduser()
    return ModelStore((home / HOME if (home / HOME).is_dir() else home) / "models")


def load_version(store: ModelStore, name: str, wanted: str | None) -> LoadedModel:
    """Without `wanted`, and for `production`, the version that a service answers with.

    Raises UnknownModel, UnknownVersion, or ModelNotServed where no version can be loaded.
    """
    names = store.names()
    if name not in names:
        raise _nothing(store, name, names)
    versions, aliases = store.versions(name), store.aliases(name)
    if wanted is not None and wanted in versions:
        try:
            return _loaded(store, name, wanted)
        except Exception as error:  # a broken file can make a library raise anything
            raise UnknownVersion(f"{name}@{wanted} is in {store.root} and cannot be loaded: {error}", model=name) from error
    if wanted not in (None, PRODUCTION, *aliases):
        known = f"aliases: {', '.join(sorted(aliases)) or 'none'}; versions: {', '.join(versions[-3:]) or 'none'}"
        meant = did_you_mean(str(wanted), [*aliases, *versions]) or "."
        detail = f"expected a version or an alias of {name} in {store.root} ({known}); received {str(wanted)[:100]}{meant}"
        raise UnknownVersion(detail, model=name, aliases=sorted(aliases), versions=versions)
    found = Found(versions, aliases, store.preference(name, aliases), {})
    failed: dict[str, str] = {}
    while True:  # a version that cannot be loaded changes the plan, as in a service
        plan = plan_serving(found, 0, failed)
        version = plan.default if wanted in (None, PRODUCTION) else plan.answers.get(str(wanted))
        if version is None or version in failed:
            reasons = "; ".join(f"{failing}: {reason}" for failing, reason in failed.items()) or "there is none"
            raise ModelNotServed(f"no version of {name} in {store.root} can be loaded: {reasons}")
        try:
            return _loaded(store, name, version)
        except Exception as error:
            failed[version] = str(error) or type(error).__name__


def _nothing(store: ModelStore, name: str, names: list[str]) -> Exception:
    if not names:
        return UnknownModel(f"no model is in {store.root}. Train one with: {typed('train')}. Or name another store.", models=[])
    known = f"expected the name of a model in {store.root} ({', '.join(names)})"
    echo = parse_echo_name(name)
    length = f" --length {echo[1]}" if echo is not None and echo[1] is not None else ""
    train = f" Train it with: {typed(f'train --topology {echo[0].name}{length}')}" if echo is not None else ""
    return UnknownModel(f"{known}; received {name[:100]}{did_you_mean(name, names) or '.'}{train}", models=names)


def _loaded(store: ModelStore, name: str, version: str) -> LoadedModel:
    """Raises what is wrong with the files."""
    try:
        return load_checked(store, name, version, runtimes.load)
    except ImportError as error:
        raise BrokenVersion(f"a package is missing ({error.name}): pip install 'unroll[local]'") from error
