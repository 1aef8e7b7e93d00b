"""The errors for what is not in memory. Each names what is, and the command that trains what is missing."""

from collections.abc import Iterable

from contract.topologies import Topology
from service.errors import LengthNotServed, ModelNotServed, UnknownVersion
from service.runtime.loaded_model import LoadedModel
from service.versions.served_versions import ServedVersions


def unknown_version(name: str, wanted: str, served: ServedVersions, refused: str | None) -> UnknownVersion:
    """`refused`: why the version, which is in the store, is refused."""
    known = f"{', '.join(sorted(served.aliases)) or 'no alias'}; in memory: {', '.join(sorted(served.versions))}"
    detail = f"expected a version or an alias of {name} ({known}); received {wanted[:100]}."
    detail += f" That version is in the store and is refused: {refused}." if refused else ""
    return UnknownVersion(detail, model=name, aliases=sorted(served.aliases), versions=sorted(served.versions))


def nothing_for(topology: Topology, length: int, models: Iterable[LoadedModel]) -> Exception:
    served = sorted({model.manifest.length for model in models if model.manifest.topology == topology.name})
    options = f"--topology {topology.name}"
    if topology.any_length or not served:
        return ModelNotServed(f"no {topology.name} model is published. Train one with: {_train(options)}")
    return LengthNotServed(
        f"{topology.name} expected rows of a length that is served: {', '.join(map(str, served))}; received rows of "
        f"length {length}. Cut the rows to one of these, or train one with: {_train(f'{options} --length {length}')}",
        received_length=length,
        served_lengths=served,
    )


def _train(options: str) -> str:
    """The command with the Makefile, whose store is the project's own, and the command without it."""
    return f'make train ARGS="{options}"  (or: python -m training run {options})'
