"""Small files that are replaced while the service runs, keys and certificates: taken again when their content changes.

By looking, every few seconds, at the content: a mounted Kubernetes secret changes by a symbolic link two folders up, other
volumes announce nothing at all, and the files are a few kB.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from service.telemetry import metrics

logger = logging.getLogger(__name__)
Taken = TypeVar("Taken")
LARGEST: Final = 4 * 2**20
"""Bytes of a file of keys or certificates: what is larger is another file, named by mistake."""


class Unusable(Exception):
    """The files cannot be taken; the message says why, without their content."""


class ReloadedFiles(Generic[Taken]):
    """`take` makes of the contents of `paths` what is used, `current`; it raises Unusable, and then nothing changes."""

    def __init__(self, what: str, paths: Sequence[Path], take: Callable[[list[bytes]], Taken]) -> None:
        """Raises Unusable, if the files cannot be used now."""
        self._what, self._paths, self._take = what, paths, take
        contents = self._read()
        self.current: Taken = take(contents)
        self._seen = _marks(contents)
        self._failed: str | None = None
        self._stopped = threading.Event()

    def look(self) -> None:
        try:
            contents = self._read()
            if _marks(contents) == self._seen and self._failed is None:
                return
            self.current = self._take(contents)
        except Unusable as error:
            if self._failed != str(error):
                logger.error("the new %s cannot be used, the old stay: %s", self._what, error)
                metrics.reloads.labels(self._what, "refused").inc()
            self._failed = str(error)
            return
        self._seen, self._failed = _marks(contents), None
        logger.info("took the %s anew from %s", self._what, ", ".join(map(str, self._paths)))
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
            except Exception:  # a fault of ours: what is used goes on being used
                logger.exception("looking at the %s failed", self._what)

    def _read(self) -> list[bytes]:
        contents = []
        for path in self._paths:
            try:
                with path.open("rb") as file:
                    contents.append(file.read(LARGEST + 1))
            except OSError as error:
                raise Unusable(f"{path} cannot be read: {error.strerror or error}") from error
            if len(contents[-1]) > LARGEST:
                raise Unusable(f"{path} is larger than {LARGEST} bytes: is it the right file?")
        return contents


def _marks(contents: list[bytes]) -> list[bytes]:
    """What is kept of them: one of them may be a private key."""
    return [hashlib.sha256(content).digest() for content in contents]
