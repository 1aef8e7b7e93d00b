"""The environment of a training job: its variables and its commit. Only this file of `training/` reads variables."""

import os
import subprocess
from pathlib import Path

from contract.store_place import StorePlace, for_libraries, store_place


def place() -> StorePlace:
    """Where the model store is."""
    return store_place(os.environ, Path.cwd())


def settle() -> None:
    """Call it before TensorFlow and BentoML are imported."""
    os.environ.update(for_libraries(os.environ, Path.cwd()))


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
