"""What the environment says to a training job. The only place of `training/` that reads it."""

import os
from pathlib import Path


def bentoml_home() -> Path | None:
    """Where the user wants the model store, if they said so."""
    stated = os.environ.get("BENTOML_HOME")
    return Path(stated) if stated else None


def key() -> str | None:
    """For a running service that has keys."""
    return os.environ.get("UNROLL_KEY")


def commit() -> str | None:
    """What an image was built from, which has no checkout that could be asked."""
    return os.environ.get("UNROLL_COMMIT") or None
