"""The commands of the store: list versions, move aliases, delete versions. They do not load TensorFlow."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import httpx2
from pydantic import TypeAdapter

from contract.aliases import PRODUCTION, Alias
from contract.hints import typed
from contract.model_names import parse
from contract.store import ModelStore, no_model
from contract.store_reader import BrokenVersion
from training import environment
from training.commands import options
from training.commands.options import NumberRange
from training.commands.wait import NotServed, wait_until_served
from training.console.store import list_versions, show_history, show_versions


def on_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the store. A refusal is one line and exit code 1; Ctrl-C is exit code 130."""

    @wraps(command)
    def told(*arguments: Any, **given: Any) -> None:
        options.say_store()
        try:
            command(options.store(), *arguments, **given)
        except (BrokenVersion, NotServed, OSError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    return told


def _tag(_context: click.Context, _parameter: click.Parameter, given: str) -> tuple[str, str]:
    try:
        name, version = parse(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if version is None:
        raise click.BadParameter(f"expected MODEL@VERSION, such as {given}@candidate; received {given!r}")
    return name, version


def _url(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    try:
        address = None if given is None else httpx2.URL(given)
    except httpx2.InvalidURL:
        address = httpx2.URL()
    if address is not None and not (address.scheme in ("http", "https") and address.host and (address.port or 1) < 2**16):
        raise click.BadParameter(f"expected an address such as http://127.0.0.1:3000; received {given!r}")
    return given


TRIALS_SEEN = "--wait works only for the canary and the shadow of production"
alias_option = click.option(
    "--alias", default=PRODUCTION, show_default=True, callback=lambda *given: options.alias(given[-1]), help="The alias."
)
tag_argument = click.argument("tag", metavar="MODEL@VERSION", callback=_tag)


def wait_options(command: Callable[..., None]) -> Callable[..., None]:
    seconds = NumberRange(0, 86_400)
    command = click.option("--timeout", type=seconds, default=30, show_default=True, help="Longest wait in seconds.")(command)
    return click.option("--wait", metavar="URL", callback=_url, help="Wait until all workers of this service have the change.")(
        command
    )


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_store
def models(store: ModelStore, name: str | None, as_json: bool) -> None:
    """List versions, newest first: age, aliases, the gate's worst figure, and whether every file is unchanged.

    \b
    Examples:
      unroll models
      unroll models many_to_many --json
    """
    if name is not None:
        _check_name(store, name)
    listing = list_versions(store, store.names() if name is None else [name])
    if as_json:
        click.echo(listing.model_dump_json(indent=2))
    elif not listing.models:
        click.echo(f"No models in {store.root}. Train them with: {typed('train')}")
    else:
        show_versions(listing)


@click.command()
@tag_argument
@alias_option
@click.option(
    "--canary", type=NumberRange(0, 100, min_open=True, max_open=True), help="Let the version answer this percentage only."
)
@click.option("--shadow", is_flag=True, help="Send the version a copy of the traffic; it never answers.")
@wait_options
@on_store
def promote(
    store: ModelStore,
    tag: tuple[str, str],
    alias: str,
    canary: float | None,
    shadow: bool,
    wait: str | None,
    timeout: float,
) -> None:
    """Let an alias name a version, or try the version on a part of its traffic.

    VERSION is a version, an alias, or latest. The version must be whole. A running service loads it by itself.

    \b
    Examples:
      unroll promote many_to_many@candidate
      unroll promote many_to_many@candidate --canary 5
      unroll promote many_to_many@candidate --shadow
      unroll promote many_to_many@latest --wait http://127.0.0.1:3000
    """
    if wait and alias != PRODUCTION and (shadow or canary is not None):
        raise click.UsageError(TRIALS_SEEN)
    if canary is not None and shadow:
        raise click.UsageError("choose --canary or --shadow: a canary answers, a shadow never does")
    name, word = tag
    version = _resolve(store, name, word)
    if canary is not None:
        store.set_canary(name, alias, version, canary)
        click.echo(f"{name}: {version} answers {canary:g} % of {alias}")
    elif shadow:
        store.set_shadow(name, alias, version)
        click.echo(f"{name}: {version} receives a copy of the traffic of {alias}")
    else:
        before = store.aliases(name).get(alias)
        store.promote(name, alias, version)
        already = before is not None and before.version == version
        click.echo(
            f"{name}: {alias} names {version}" + (" already" if already else f", before {before.version}" if before else "")
        )
    role = "canary" if canary is not None else "shadow" if shadow else alias
    _wait(wait, name, {role: version}, timeout)


@click.command()
@click.argument("model")
@alias_option
@click.option("--canary", is_flag=True, help="End the canary only.")
@click.option("--shadow", is_flag=True, help="End the shadow only.")
@wait_options
@on_store
def withdraw(store: ModelStore, model: str, alias: str, canary: bool, shadow: bool, wait: str | None, timeout: float) -> None:
    """End the trials of an alias: its canary, its shadow, or both.

    \b
    Example:
      unroll withdraw many_to_many --canary
    """
    if wait and alias != PRODUCTION:
        raise click.UsageError(TRIALS_SEEN)
    both = canary == shadow
    ended = store.withdraw(model, alias, canary=canary or both, shadow=shadow or both, reason="by hand")
    click.echo(f"{model}: withdrawn from {alias}" if ended else f"{model}: {alias} has no such trial")
    _wait(wait, model, {role: None for role, other in (("canary", shadow), ("shadow", canary)) if both or not other}, timeout)


@click.command()
@click.argument("model")
@click.option("--alias", required=True, callback=lambda *given: options.alias(given[-1]), help="The alias to delete.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_store
def unalias(store: ModelStore, model: str, alias: str, yes: bool) -> None:
    """Delete an alias with its history and its trials. Without production the newest version answers.

    \b
    Example:
      unroll unalias many_to_many --alias candidate
    """
    _check_name(store, model)
    store.check_alias(model, alias)
    if not yes:
        click.confirm(f"Delete {alias} of {model}? It cannot be rolled back afterwards.", abort=True)
    click.echo(f"{model}: {alias} no longer names {store.unalias(model, alias)}")


@click.command()
@click.argument("model")
@alias_option
@wait_options
@on_store
def rollback(store: ModelStore, model: str, alias: str, wait: str | None, timeout: float) -> None:
    """Let an alias name its last earlier version that is still whole. Its canary ends.

    \b
    Example:
      unroll rollback many_to_many --wait http://127.0.0.1:3000
    """
    version = store.rollback(model, alias)
    click.echo(f"{model}: {alias} names {version} again")
    _wait(wait, model, {alias: version}, timeout)


@click.command()
@tag_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_store
def delete(store: ModelStore, tag: tuple[str, str], yes: bool) -> None:
    """Delete a version, broken or not. Refused while an alias uses it.

    \b
    Example:
      unroll delete many_to_many@20261124-102713-195442-60bc --yes
    """
    name, word = tag
    version = _resolve(store, name, word)
    store.check_unused(name, version)
    if not yes:
        click.confirm(f"Delete {name}@{version} for good?", abort=True)
    store.delete(name, version)
    click.echo(f"{name}@{version} is deleted")


@click.command()
@click.argument("model", required=False)
@click.option("--keep", type=click.IntRange(1), required=True, help="How many of the newest versions of each model stay.")
@click.option("--dry-run", is_flag=True, help="List the versions without deleting them.")
@on_store
def prune(store: ModelStore, model: str | None, keep: int, dry_run: bool) -> None:
    """Delete old versions. Keeps versions in use, and the one that a rollback of production would choose.

    \b
    Examples:
      unroll prune --keep 5 --dry-run
      unroll prune many_to_many --keep 5
    """
    if model is not None:
        _check_name(store, model)
    for name in store.names() if model is None else [model]:
        gone = store.prunable(name, keep) if dry_run else store.prune(name, keep)
        for version in gone:
            click.echo(f"{name}@{version} " + ("would be deleted" if dry_run else "is deleted"))


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the aliases as JSON.")
@on_store
def history(store: ModelStore, model: str, as_json: bool) -> None:
    """Show the history of a model's aliases.

    \b
    Example:
      unroll history many_to_many
    """
    _check_name(store, model)
    aliases = store.aliases(model)
    if as_json:
        click.echo(TypeAdapter(dict[str, Alias]).dump_json(aliases, indent=2).decode())
    elif aliases:
        show_history(aliases)
    else:
        click.echo(f"{model} has no alias. Give it one with: {typed(f'promote {model}@latest')}")


COMMANDS = (models, promote, withdraw, unalias, rollback, delete, prune, history)


def _check_name(store: ModelStore, name: str) -> None:
    if name not in (names := store.names()):
        raise BrokenVersion(no_model(name, names))


def _resolve(store: ModelStore, name: str, word: str) -> str:
    """The version of a version, an alias or `latest`. The store refuses any other word."""
    _check_name(store, name)
    versions = store.versions(name)
    if word in versions:
        return word
    if word == "latest":
        for version in reversed(versions):
            if store.is_whole(name, version):
                return version
        raise BrokenVersion(f"{name} has no whole version")
    alias = store.aliases(name).get(word)
    return alias.version if alias else word


def _wait(url: str | None, name: str, wanted: dict[str, str | None], timeout: float) -> None:
    if url is None:
        return
    try:
        workers = wait_until_served(url, name, wanted, timeout, environment.key())
    except NotServed as error:
        raise NotServed(f"the store has the change, but {error}") from error
    click.echo(f"{name}: {workers} worker{'s' if workers > 1 else ''} at {url} {'have' if workers > 1 else 'has'} the change")
