"""The model store on disk: names, versions, aliases, files; atomic to write, checked to read.

It is a BentoML model store, `$BENTOML_HOME/models`, so `bentoml models list` and `bentoml build` work on it:

    models/<name>/<version>/            saved_model.pb, variables/, model.yaml (BentoML's), gate.json, manifest.json
    models/<name>/aliases.json          {"production": [older, ..., current]}
    models/<name>/latest                for BentoML's own tools; ours take the newest whole version instead
    staging/<random>/                   where a version is put together; same file system, never read

A version appears by one rename of a folder that is already complete and on disk, so a reader sees all of it or
nothing, whenever the writer is killed. Version names sort by time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from contract.manifest import CONTRACT_VERSION, Manifest
from contract.topologies import parse_model_name

PRODUCTION: Final = "production"
MANIFEST: Final = "manifest.json"
_ALIASES: Final = TypeAdapter(dict[str, list[str]])


class BrokenVersion(Exception):
    """A version that must not be served; the message says why."""


class ModelStore:
    """`root` is the models folder itself; it need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Every name with a version, foreign BentoML models left out."""
        return sorted(p.name for p in _folders(self.root) if parse_model_name(p.name) and self.versions(p.name))

    def versions(self, name: str) -> list[str]:
        """Every version of a name, oldest first. Broken ones are listed too: `verify` tells."""
        return sorted(p.name for p in _folders(self.root / name))

    def path(self, name: str, version: str) -> Path:
        return self.root / name / version

    def preference(self, name: str, aliases: dict[str, str]) -> list[str]:
        """Versions in the order in which to try them: `production`, then from the newest to the oldest."""
        newest_first = self.versions(name)[::-1]
        return sorted(newest_first, key=lambda version: version != aliases.get(PRODUCTION))

    def tags(self) -> list[str]:
        """`name:version` of the first that is whole, for every name that has one, in the order in which they are tried."""
        found = []
        for name in self.names():
            for version in self.preference(name, self.readable_aliases(name)):
                with contextlib.suppress(BrokenVersion):
                    self.verify(name, version)
                    found.append(f"{name}:{version}")
                    break
        return found

    def readable_aliases(self, name: str) -> dict[str, str]:
        """`aliases`, or none where the file is not ours."""
        try:
            return self.aliases(name)
        except BrokenVersion:
            return {}

    def verify(self, name: str, version: str) -> Manifest:
        """The manifest of a version whose files are all there and unchanged. Raises BrokenVersion."""
        folder = self.path(name, version)
        try:
            written = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise BrokenVersion(f"{MANIFEST} cannot be read: {error.strerror or error}") from error
        try:
            stated = json.loads(written).get("contract_version")
        except (ValueError, AttributeError) as error:
            raise BrokenVersion(f"{MANIFEST} is not a JSON object: {error}") from error
        if stated != CONTRACT_VERSION:  # before its fields are read: another contract may have others
            raise BrokenVersion(f"contract version {stated}, this program speaks {CONTRACT_VERSION}: train it again")
        try:
            manifest = Manifest.model_validate_json(written)
        except ValidationError as error:
            raise BrokenVersion(f"{MANIFEST} does not follow its schema: {error.errors()[0]}") from error
        if (manifest.name, manifest.version) != (name, version):
            raise BrokenVersion(f"{MANIFEST} is that of {manifest.name}:{manifest.version}")
        found = hash_files(folder)
        for path in sorted(found.keys() | manifest.files.keys()):
            if found.get(path) != manifest.files.get(path):
                how = "missing" if path not in found else "changed" if path in manifest.files else "not in the manifest"
                raise BrokenVersion(f"{path} is {how}")
        return manifest

    def publish(self, manifest: Manifest, fill: Callable[[Path], None]) -> Manifest:
        """Make a version of the folder `<name>/<version>` that `fill` makes below the empty folder it is given.

        Returns the manifest with the files in it. Raises OSError when the disk is full or not writable, and then
        nothing is published.
        """
        final = self.path(manifest.name, manifest.version)
        with self._staging() as staging:
            fill(staging)
            folder = staging / manifest.name / manifest.version
            whole = manifest.model_copy(update={"files": hash_files(folder)})
            (folder / MANIFEST).write_text(whole.model_dump_json(indent=2) + "\n")
            _sync_tree(folder)
            final.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(final)
            _sync(final.parent)
            _sync(self.root)
        self.mark_latest(manifest.name)
        return whole

    def mark_latest(self, name: str) -> None:
        """Write down the newest version, for BentoML's own tools; the last step of publishing."""
        with self._locked(name):  # a slower writer of an older version must not take `latest` back
            write_atomically(self.root / name / "latest", self.versions(name)[-1])

    def aliases(self, name: str) -> dict[str, str]:
        """Alias -> the version it names now. Raises BrokenVersion when the file is not ours."""
        return {alias: versions[-1] for alias, versions in self._history(name).items() if versions}

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias; what it named before stays in its history. Raises BrokenVersion for an unknown version."""
        if version not in self.versions(name):
            raise BrokenVersion(f"{name} has no version {version}")
        with self._locked(name):
            history = self._history(name)
            history[alias] = [*history.get(alias, []), version]
            write_atomically(self.root / name / "aliases.json", json.dumps(history, indent=2) + "\n")

    def was_named(self, name: str, alias: str, version: str) -> bool:
        """Whether the alias names the version, or ever did."""
        return version in self._history(name).get(alias, [])

    def _history(self, name: str) -> dict[str, list[str]]:
        try:
            return _ALIASES.validate_json((self.root / name / "aliases.json").read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise BrokenVersion(f"aliases.json of {name} cannot be read: {error.errors()[0]['msg']}") from error

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with open(self.root / name / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder of this writer's own, locked while it lives; those whose writer died are swept away."""
        parent = self.root.parent / "staging"
        parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            with open(parent / ".lock", "w") as sweep:
                fcntl.flock(sweep, fcntl.LOCK_EX)  # nobody sweeps between our mkdir and our lock
                for left in _folders(parent):
                    if not _owned(left):
                        shutil.rmtree(left)
                mine = parent / secrets.token_hex(8)
                mine.mkdir()
                owner = stack.enter_context(open(mine / ".owner", "w"))
                fcntl.flock(owner, fcntl.LOCK_EX)
            stack.callback(shutil.rmtree, mine)
            yield mine


def new_version(now: datetime | None = None) -> str:
    """A version's name: UTC to the microsecond, so that names sort by time, and four random digits for two at once."""
    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def hash_files(folder: Path) -> dict[str, str]:
    """Path below `folder` -> SHA-256, for every file but the manifest."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    names = {p.relative_to(folder).as_posix(): p for p in files}
    return {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in names.items() if name != MANIFEST}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content: a reader sees the old or the new, and it is on disk on return."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _folders(parent: Path) -> list[Path]:
    try:
        return [p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except FileNotFoundError:
        return []


def _owned(staging: Path) -> bool:
    """Whether the writer of a staging folder still lives: it holds the lock."""
    try:
        with open(staging / ".owner") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # killed before it took the lock
        return False
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)
