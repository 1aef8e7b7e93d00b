"""BentoML's adaptive batching, as its documentation shows it: `bentoml serve benchmarks.peers.bentoml_batched:Batched`."""

# mypy: disable-error-code="untyped-decorator,type-arg"

import bentoml
import numpy as np


@bentoml.service
class Batched:
    def __init__(self) -> None:
        from benchmarks.peers.model import load  # noqa: PLC0415 - BentoML's supervising process needs no model

        self.model = load()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)
    def predict(self, sequences: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self.model(sequences)
        return rows
