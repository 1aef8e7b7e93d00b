"""The reading part of the model store: names, versions, aliases, and whether a version is whole.

`contract/store.py` draws the folders and changes them. Code that only reads needs no more than this file.
"""

import contextlib
import json
import re
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from contract.aliases import PRODUCTION, Alias
from contract.atomic_files import folders, hash_files, read_small
from contract.manifest import CONTRACT_VERSION, Manifest
from contract.topologies import NAME, parse_echo_name

MANIFEST: Final = "manifest.json"
ALIASES: Final = "aliases.json"
ALIASES_FILE: Final = TypeAdapter(dict[str, Alias])


class BrokenVersion(Exception):
    """A version is damaged, or an alias cannot be read or changed. The message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class StoreReader:
    """`root` is the models folder itself; it need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Every name that has a version, or a folder that cannot be read. Other BentoML models are left out."""
        return sorted(p.name for p in folders(self.root) if self.is_model(p.name) and not _is_empty(p))

    def is_model(self, name: str) -> bool:
        """Whether a folder is a model of ours: an echo's by its name, any other by a manifest or the aliases in it."""
        if parse_echo_name(name) is not None:
            return True
        if not re.fullmatch(NAME, name):
            return False
        folder = self.root / name
        with contextlib.suppress(OSError):
            return (folder / ALIASES).exists() or any((version / MANIFEST).exists() for version in folders(folder))
        return True  # a folder that cannot be read may be a model

    def versions(self, name: str) -> list[str]:
        """Every version of a name, oldest first, broken ones included. `verify` finds those.

        Raises OSError where the folder cannot be read.
        """
        return sorted(p.name for p in folders(self.root / name) if printable(p.name) == p.name)

    def misnamed(self, name: str) -> list[str]:
        """The folders of a name that are no versions, since their names are not UTF-8; with other bytes escaped."""
        return sorted(escaped for p in folders(self.root / name) if (escaped := printable(p.name)) != p.name)

    def path(self, name: str, version: str) -> Path:
        return self.root / name / version

    def preference(self, name: str, aliases: dict[str, Alias]) -> list[str]:
        """Versions in the order in which to try them: `production`, its earlier versions, then the newest first.

        Versions of another alias, and versions on trial, come last: a request must ask for them by name.
        """
        newest_first = self.versions(name)[::-1]
        production = aliases.get(PRODUCTION)
        first = [v for v in production.versions[::-1] if v in (production.version, *newest_first)] if production else []
        set_apart = {version for label, alias in aliases.items() for version in alias.named if label != PRODUCTION}
        set_apart |= set(production.trials.values()) if production else set()
        return list(dict.fromkeys([*first, *sorted(newest_first, key=lambda version: version in set_apart)]))

    def tags(self) -> list[str]:
        """`name:version` for every name: its first whole version in the order of `preference`."""
        found = []
        for name in self.names():
            with contextlib.suppress(OSError):  # the folder of one name cannot be read
                versions = self.preference(name, self.readable_aliases(name))
                first = next((version for version in versions if self.is_whole(name, version)), None)
                found += [f"{name}:{first}"] if first else []
        return found

    def verify(self, name: str, version: str) -> Manifest:
        """The manifest of a version. Raises BrokenVersion unless every file is there and unchanged."""
        folder = self.path(name, version)
        try:
            written = read_small(folder / MANIFEST)
        except OSError as error:
            raise BrokenVersion(f"{MANIFEST} cannot be read: {error.strerror or error}") from error
        try:
            stated = json.loads(written).get("contract_version")
        except (ValueError, AttributeError, RecursionError) as error:
            raise BrokenVersion(f"{MANIFEST} is not a JSON object: {error}") from error
        if stated != CONTRACT_VERSION:  # checked first: another contract may have other fields
            raise BrokenVersion(f"contract version {stated}, this program needs {CONTRACT_VERSION}: train the model again")
        try:
            manifest = Manifest.model_validate_json(written)
        except ValidationError as error:
            raise BrokenVersion(f"{MANIFEST} does not follow its schema: {_first_fault(error)}") from error
        if (manifest.name, manifest.version) != (name, version):
            raise BrokenVersion(f"{MANIFEST} belongs to {manifest.name}:{manifest.version}")
        try:
            found = hash_files(folder, but=MANIFEST)
        except OSError as error:  # the version was deleted meanwhile, or the disk fails
            raise BrokenVersion(f"{error.filename} cannot be read: {error.strerror or error}") from error
        for path in sorted(found.keys() | manifest.files.keys()):
            if found.get(path) != manifest.files.get(path):
                how = "missing" if path not in found else "changed" if path in manifest.files else "not in the manifest"
                raise BrokenVersion(f"{path} is {how}")
        return manifest

    def is_whole(self, name: str, version: str) -> bool:
        """Whether `verify` accepts the version."""
        with contextlib.suppress(BrokenVersion):
            self.verify(name, version)
            return True
        return False

    def aliases(self, name: str) -> dict[str, Alias]:
        """The aliases of a name. Raises BrokenVersion where the file cannot be read."""
        try:
            return ALIASES_FILE.validate_json(read_small(self.root / name / ALIASES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BrokenVersion(f"{ALIASES} of {name} cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            raise BrokenVersion(f"{ALIASES} of {name} cannot be read: {_first_fault(error)}") from error

    def readable_aliases(self, name: str) -> dict[str, Alias]:
        """The aliases of a name, or none where the file cannot be read."""
        with contextlib.suppress(BrokenVersion):
            return self.aliases(name)
        return {}


def printable(text: str, most: int = 500) -> str:
    """A text from a file or a file's name, for a message: bytes that are not UTF-8 are escaped, and a long text is cut."""
    escaped = text.encode("utf-8", "backslashreplace").decode()
    return escaped if len(escaped) <= most else escaped[:most] + " ..."


def _first_fault(error: ValidationError) -> str:
    """Where a file does not follow its schema, what was expected there, and a number or a text that was received."""
    fault = error.errors(include_url=False)[0]
    where, received = ".".join(map(str, fault["loc"])), fault["input"]
    said = f"; received {printable(repr(received), 100)}" if where and isinstance(received, int | float | str) else ""
    return f"{where}: {fault['msg']}{said}" if where else fault["msg"]


def _is_empty(folder: Path) -> bool:
    try:
        return not folders(folder)
    except OSError:
        return False
