"""Small files that are reloaded when their content changes: keys and certificates.

The content is read every few seconds. Watching would not do: a mounted Kubernetes secret changes by a symbolic link two
folders up, and other volumes announce no changes. The files have a few kB.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from service.telemetry import metrics

logger = logging.getLogger(__name__)
Parsed = TypeVar("Parsed")
LARGEST: Final = 4 * 2**20
"""A larger file is none of keys or certificates: it was named by mistake."""


class Unusable(Exception):
    """The files cannot be used. The message says why, without quoting them."""


class ReloadedFiles(Generic[Parsed]):
    """`parse` turns the contents of `paths` into `current`. If it raises Unusable, `current` stays as it is."""

    def __init__(self, what: str, paths: Sequence[Path], parse: Callable[[list[bytes]], Parsed], missing: str = "") -> None:
        """Raises Unusable if the files cannot be used now. `missing`: what to do where one cannot be read."""
        self._what, self._paths, self._parse, self._missing = what, paths, parse, missing
        contents = self._read()
        self.current: Parsed = parse(contents)
        self._seen = _digests(contents)
        self._failed: str | None = None
        self._stopped = threading.Event()

    def look(self) -> None:
        """Reload the files if their content has changed."""
        try:
            contents = self._read()
            if _digests(contents) == self._seen and self._failed is None:
                return
            self.current = self._parse(contents)
        except Unusable as error:
            if self._failed != str(error):
                logger.error("the new %s cannot be used, the old ones stay: %s", self._what, error)
                metrics.reloads.labels(self._what, "refused").inc()
            self._failed = str(error)
            return
        self._seen, self._failed = _digests(contents), None
        logger.info("reloaded the %s from %s", self._what, ", ".join(map(str, self._paths)))
        metrics.reloads.labels(self._what, "taken").inc()

    def start(self, seconds: float) -> None:
        """Look every `seconds`, in a thread."""
        threading.Thread(target=self._run, args=(seconds,), name=f"reread-{self._what}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self, seconds: float) -> None:
        while not self._stopped.wait(seconds):
            try:
                self.look()
            except Exception:  # our own fault: the files in use stay
                logger.exception("looking at the %s failed", self._what)

    def _read(self) -> list[bytes]:
        contents = []
        for path in self._paths:
            try:
                with path.open("rb") as file:
                    contents.append(file.read(LARGEST + 1))
            except OSError as error:
                raise Unusable(f"{path} cannot be read: {error.strerror or error}{self._missing}") from error
            if len(contents[-1]) > LARGEST:
                raise Unusable(f"{path} is larger than {LARGEST} bytes: is it the right file?")
        return contents


def _digests(contents: list[bytes]) -> list[bytes]:
    """Kept in place of the contents: one of them may be a private key."""
    return [hashlib.sha256(content).digest() for content in contents]
