"""What a version must show before it serves, and which faults say nothing of it."""

import errno
from typing import Final

import numpy as np

from contract.store import BrokenVersion
from contract.topologies import Rows
from service.runtime.loaded_model import LoadedModel

PASSING: Final = frozenset(
    {errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT}
)
"""Errors of the system that say nothing of the files: a network volume that hangs, a worker short of descriptors."""


def passes(error: Exception) -> bool:
    """Whether a version that could not be loaded may be whole all the same."""
    causes = (error, error.__cause__)
    return any(isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in PASSING) for cause in causes)


def check_golden(model: LoadedModel) -> None:
    """Raise BrokenVersion unless the model gives the answers that the SavedModel gave when it was published."""
    manifest = model.manifest
    for number, pair in enumerate(manifest.golden):
        values = model.run(Rows.of([pair.input])).values
        worst = float(np.abs(values - np.asarray(pair.output, np.float32)).max())
        if not worst <= manifest.golden_tolerance:  # so that NaN fails too
            raise BrokenVersion(f"golden pair {number} differs by {worst:.3g}, allowed {manifest.golden_tolerance:g}")
