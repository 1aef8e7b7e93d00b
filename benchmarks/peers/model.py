"""The model as all peers call it: the SavedModel's own signature, on rows of one length."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Echo = Callable[[Any], Any]


def load(folder: str | None = None) -> Echo:
    """(rows, time) numbers in, (rows, time) float32 out."""
    loaded = tf.saved_model.load(folder or os.environ["MODEL"])
    signature = loaded.signatures["serving_default"]

    def echo(sequences: Any) -> Any:
        inputs = tf.constant(np.asarray(sequences, np.float32)[..., None])  # (rows, time, 1)
        (outputs,) = signature(sequences=inputs).values()
        return outputs.numpy()[..., 0]

    echo.__dict__["loaded"] = loaded  # the signature's variables live as long as this
    return echo
