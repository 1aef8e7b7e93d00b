"""The environment of a training job: its variables and its commit. Only this file of `training/` reads variables."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contract.store_place import StorePlace, for_libraries, store_place

_NOISE: Final = re.compile(rb"WARNING: All log messages before absl::|[IWE]\d{4} \d\d:\d\d:")


def place() -> StorePlace:
    """Where the model store is."""
    return store_place(os.environ, Path.cwd())


def settle() -> None:
    """Call it before TensorFlow and BentoML are imported."""
    os.environ.update(for_libraries(os.environ, Path.cwd()))


@contextmanager
def without_native_noise() -> Iterator[None]:
    """TensorFlow writes to standard error before it obeys its log level. Those lines are dropped; all others are shown after.

    Whoever sets TF_CPP_MIN_LOG_LEVEL to less than 2 sees all lines.
    """
    if not hasattr(os, "memfd_create") or os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1"):
        yield
        return
    sys.stderr.flush()
    shown = os.dup(2)
    with os.fdopen(os.memfd_create("stderr"), "r+b") as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not _NOISE.match(line)))


def key() -> str | None:
    """UNROLL_KEY, for a running service that has keys."""
    return os.environ.get("UNROLL_KEY")


def commit() -> str:
    """UNROLL_COMMIT, which an image sets; else the checkout's commit."""
    return os.environ.get("UNROLL_COMMIT") or checkout_commit()


def checkout_commit(*paths: str, digits: int = 40) -> str:
    """The checkout's commit; `+` follows when tracked files below `paths` (default: any) differ. Elsewhere 'unknown'."""
    try:
        head = _git("rev-parse", f"--short={digits}", "HEAD")
        # Without optional locks: a killed git, or a full disk, would leave the lock behind.
        changed = _git("--no-optional-locks", "status", "--porcelain", "-uno", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}{'+' if changed else ''}"


def _git(*arguments: str) -> str:
    root = Path(__file__).parent.parent
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()
