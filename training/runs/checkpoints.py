"""The state of a run between two chunks of steps, on disk: `checkpoints/<step>.npz`, each whole or not there.

The last two are kept: were the newest unreadable after a loss of power, the one before it gives the same weights later.
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
    step: int  # steps that were done
    seconds: float  # spent on them
    state: list[Floats]  # `training.fit.Adam.state`


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Raises OSError where it cannot be written; those before it stay."""
    folder.mkdir(exist_ok=True)
    written = io.BytesIO()
    arrays = {f"array_{number:03}": array for number, array in enumerate(checkpoint.state)}
    np.savez(written, step=checkpoint.step, seconds=checkpoint.seconds, **arrays)  # type: ignore[arg-type]
    write_atomically(folder / f"{checkpoint.step:09}.npz", written.getvalue())
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def newest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The last one that can be read; `say` hears of those that cannot. What a killed writer left half-written is removed."""
    for left in folder.glob(".*.npz.*"):
        left.unlink()
    for path in _newest_first(folder):
        try:
            with path.open("rb") as file, np.load(file) as archive:
                arrays = [archive[name] for name in sorted(archive.files) if name.startswith("array_")]
                return Checkpoint(int(archive["step"]), float(archive["seconds"]), arrays)
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            say(f"checkpoint {path.name} cannot be read ({error}): the one before it will do")
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.npz"), reverse=True)
