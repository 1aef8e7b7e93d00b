"""What a version must show before it serves: whole files, and the answers to its golden pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from contract.rows import Rows
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from service.runtime.loaded_model import LoadedModel
from service.runtime.runtimes import Runtime

RuntimeLoader = Callable[[Path], Runtime]
"""Makes a runtime from a version's folder."""


def load_checked(store: ModelStore, name: str, version: str, load: RuntimeLoader) -> LoadedModel:
    """A version of the store, ready to serve. Raises what is wrong with its files."""
    manifest = store.verify(name, version)
    model = LoadedModel(manifest, load(store.path(name, version)))
    check_golden(model)
    return model


def check_golden(model: LoadedModel) -> None:
    """Raise BrokenVersion unless the model gives the answers that the SavedModel gave when it was published."""
    manifest = model.manifest
    for number, pair in enumerate(manifest.golden):
        values = model.run(Rows(np.array(pair.input, np.float32), [len(pair.input)])).values
        wanted = np.array(pair.output, np.float32)
        if values.shape != wanted.shape:
            raise BrokenVersion(f"golden pair {number} expected an answer of shape {wanted.shape}; received {values.shape}")
        worst = float(np.abs(values - wanted).max())
        if not worst <= manifest.golden_tolerance:  # `not`: NaN fails too
            raise BrokenVersion(f"golden pair {number} differs by {worst:.3g}, allowed {manifest.golden_tolerance:g}")
