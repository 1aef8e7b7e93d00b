"""Loads versions from the store, checks them, and remembers which versions it refused."""

import errno
import logging
import time
from collections.abc import Collection
from typing import Final, NamedTuple

from contract.atomic_files import state
from contract.store import ModelStore
from contract.store_reader import printable
from service.runtime.loaded_model import LoadedModel
from service.telemetry import metrics
from service.versions.golden_check import RuntimeLoader, load_checked

logger = logging.getLogger(__name__)
TRANSIENT: Final = frozenset(
    {errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT}
)
"""Errors of the system that say nothing about the files: a network volume hangs, a worker has no descriptor left."""
ALIASES: Final = "aliases"
FOLDER: Final = "folder"
"""Both stand for a version: where the aliases of a name, or its folder, cannot be read."""


class Refusal(NamedTuple):
    name: str
    version: str
    reason: str


class _Refused(NamedTuple):
    files: object  # their state when they were refused, as a tuple of one; None: try again at the next look
    reason: str


class VersionLoader:
    def __init__(self, store: ModelStore, load: RuntimeLoader) -> None:
        self._store, self._load = store, load
        self._refused: dict[tuple[str, str], _Refused] = {}  # by name and version

    def load(self, name: str, version: str) -> LoadedModel | None:
        """The version, checked and ready to serve; None if it is refused.

        A refused version is tried again once its files change. After a transient fault it is tried again at the next look.
        """
        try:
            files = state(self._store.path(name, version))
        except OSError as error:  # a network volume hangs: nothing is known about the version
            self._refuse(name, version, None, str(error))
            return None
        if (refused := self._refused.get((name, version))) is not None and refused.files == (files,):
            return None
        begun = time.monotonic()
        try:
            model = load_checked(self._store, name, version, self._load)
        except Exception as error:  # a broken file can make a library raise anything; the other versions are still served
            self._refuse(name, version, None if is_transient(error) else (files,), str(error) or type(error).__name__)
            return None
        self._refused.pop((name, version), None)
        metrics.loads.labels(name, "served").inc()
        metrics.load_seconds.labels(name).observe(time.monotonic() - begun)
        logger.info("loaded %s:%s in %.0f ms", name, version, (time.monotonic() - begun) * 1e3)
        return model

    def refuse(self, name: str, what: str, reason: str) -> None:
        """Remember why ALIASES, FOLDER or a folder that is no version cannot be used."""
        self._refuse(name, what, reason, reason)

    def accept(self, name: str, what: str) -> None:
        self._refused.pop((name, what), None)

    def forget(self, name: str, there: Collection[str]) -> None:
        """Forget the refusals of this name whose versions are not in `there`."""
        for refused_name, version in list(self._refused):
            if refused_name == name and version not in (ALIASES, FOLDER) and version not in there:
                del self._refused[refused_name, version]

    def reason(self, name: str, version: str) -> str | None:
        """Why a version is refused; None if it is not."""
        refused = None if version in (ALIASES, FOLDER) else self._refused.get((name, version))
        return refused.reason if refused is not None else None

    @property
    def refusals(self) -> list[Refusal]:
        return [Refusal(name, version, refused.reason) for (name, version), refused in self._refused.copy().items()]

    def _refuse(self, name: str, version: str, files: object, reason: str) -> None:
        reason = printable(reason)
        if self._refused.get((name, version)) != (files, reason):
            logger.error("refused %s:%s: %s", name, version, reason)
            metrics.loads.labels(name, "refused").inc()
        self._refused[name, version] = _Refused(files, reason)


def is_transient(error: Exception) -> bool:
    """Whether the version may be whole although it could not be loaded."""
    causes = (error, error.__cause__)
    return any(isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in TRANSIENT) for cause in causes)
