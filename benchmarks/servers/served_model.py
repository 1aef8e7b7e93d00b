"""The model that the service serves during measurements."""

from pathlib import Path

from benchmarks.servers.targets import models_folder
from contract.hints import typed
from contract.store import ModelStore

MODEL = "many_to_many"


class Unavailable(Exception):
    """Nothing can be measured. The message says what is missing and what to do."""


def model_folder() -> Path:
    """The SavedModel that the service serves first."""
    store = ModelStore(models_folder())
    tag = next((tag for tag in store.tags() if tag.startswith(f"{MODEL}:")), None)
    if tag is None:
        raise Unavailable(f"no {MODEL} model in {store.root}; publish one with: {typed('train')}")
    return store.path(MODEL, tag.removeprefix(f"{MODEL}:")).resolve()
