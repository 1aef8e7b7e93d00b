"""Triton's Python backend by PyTriton: `python -m benchmarks.peers.triton_app PORT FOLDER`. It writes into FOLDER.

TRITON_GRPC_PORT and TRITON_METRICS_PORT give its other ports.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.model import load

LOOPBACK = "127.0.0.1"
model = load()


@batch
def predict(sequences: Any) -> Any:
    return {"sequences": model(sequences)}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # else Triton leaves its shared memory behind
    others = {name: int(os.environ[f"TRITON_{name.upper()}"]) for name in ("grpc_port", "metrics_port")}
    ports = {"http_port": int(sys.argv[1]), **others}
    addresses = {"http_address": LOOPBACK, "grpc_address": LOOPBACK, "metrics_address": LOOPBACK}
    rows = Tensor(name="sequences", dtype=np.float32, shape=(-1,))
    batching = ModelConfig(max_batch_size=64, batcher=DynamicBatcher())
    with Triton(config=TritonConfig(**ports, **addresses), workspace=Path(sys.argv[2]) / "workspace") as triton:
        triton.bind("many_to_many", predict, inputs=[rows], outputs=[rows], config=batching)
        triton.serve()
