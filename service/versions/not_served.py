"""The errors for what is not in memory. Each names what is, and the command that trains what is missing."""

from collections.abc import Collection
from typing import Final

from contract.hints import did_you_mean, typed
from contract.topologies import Topology, parse_echo_name
from service.errors import LengthNotServed, ModelNotServed, UnknownModel, UnknownVersion
from service.versions.served_versions import ServedVersions

LONGEST_NAME: Final = 63


def unknown_version(name: str, wanted: str, served: ServedVersions, refused: str | None) -> UnknownVersion:
    """`refused`: why the version, which is in the store, is refused."""
    known = f"{', '.join(sorted(served.aliases)) or 'no alias'}; in memory: {', '.join(sorted(served.versions))}"
    detail = f"expected a version or an alias of {name} ({known}); received {wanted[:100]}."
    if refused:
        detail += f" That version is in the store and is refused: {refused}."
    else:
        detail += did_you_mean(wanted, [*served.aliases, *served.versions]).removeprefix(".")
        detail += " Leave model_version out for the version in production."
    return UnknownVersion(detail, model=name, aliases=sorted(served.aliases), versions=sorted(served.versions))


def unknown_model(name: str, served: Collection[str]) -> UnknownModel:
    """`served`: the names of all models in memory."""
    known = sorted(served)
    detail = (
        f"expected the name of a served model ({', '.join(known)}); received {name[:100]}{did_you_mean(name, known) or '.'}"
    )
    return UnknownModel(detail, models=known)


def nothing_for(name: str, served: Collection[str]) -> Exception:
    """The error for a name that nothing is served under. An echo's name says what to train."""
    echo = parse_echo_name(name) if len(name) <= LONGEST_NAME else None
    return unknown_model(name, served) if echo is None else _no_echo(*echo, served)


def _no_echo(topology: Topology, length: int | None, served: Collection[str]) -> Exception:
    echoes = (echo for echo in map(parse_echo_name, served) if echo is not None)
    lengths = sorted(other for of, other in echoes if of is topology and other is not None)
    options = f"--topology {topology.name}"
    if length is None or not lengths:
        return ModelNotServed(f"no {topology.name} model is published. Train one with: {_train(options)}")
    return LengthNotServed(
        f"{topology.name} expected rows of a length that is served: {', '.join(map(str, lengths))}; received rows of "
        f"length {length}. {'Cut the rows to one of these' if length > lengths[0] else 'Send more steps'}, "
        f"or train one with: {_train(f'{options} --length {length}')}",
        received_length=length,
        served_lengths=lengths,
    )


def _train(options: str) -> str:
    return typed(f"train {options}")
