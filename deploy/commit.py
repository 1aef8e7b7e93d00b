"""The commit that images and benchmarks name."""

import subprocess
from pathlib import Path


def commit(*paths: str, digits: int = 40) -> str:
    """The checkout's commit; `+` follows when tracked files below `paths` (default: any) differ. Elsewhere 'unknown'."""
    try:
        head = _git("rev-parse", f"--short={digits}", "HEAD")
        changed = _git("--no-optional-locks", "status", "--porcelain", "-uno", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}{'+' if changed else ''}"


def _git(*arguments: str) -> str:
    root = Path(__file__).parent.parent
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
