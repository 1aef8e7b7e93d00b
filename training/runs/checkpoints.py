"""Checkpoints: the state of a run between two chunks of steps, in `checkpoints/<step>.npz`. Each file is whole or absent.

The last two are kept. If a loss of power spoils the newest, the older one leads to the same weights.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contract.atomic_files import write_atomically
from contract.rows import Floats

KEPT = 2


class Checkpoint(NamedTuple):
    step: int  # steps done
    seconds: float  # spent on these steps
    state: list[Floats]  # `training.fit.Adam.state`


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint. Raises OSError where it cannot be written; earlier ones stay."""
    folder.mkdir(exist_ok=True)
    written = io.BytesIO()
    arrays = {f"array_{number:03}": array for number, array in enumerate(checkpoint.state)}
    np.savez(written, step=checkpoint.step, seconds=checkpoint.seconds, **arrays)  # type: ignore[arg-type]
    write_atomically(folder / f"{checkpoint.step:09}.npz", written.getvalue())
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def newest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest readable checkpoint; `say` is told of unreadable ones. Removes the half-written files of killed writers."""
    for left in folder.glob(".*.npz.*"):
        left.unlink()
    for path in _newest_first(folder):
        try:
            with path.open("rb") as file, np.load(file) as archive:
                arrays = [archive[name] for name in sorted(archive.files) if name.startswith("array_")]
                return Checkpoint(int(archive["step"]), float(archive["seconds"]), arrays)
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            say(f"checkpoint {path.name} cannot be read ({error}): trying the one before it")
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.npz"), reverse=True)
