"""PyTorch for `benchmarks.engine`, in `.venv-bench/torch`: reads requests as JSON lines, and writes answers as JSON lines.

{"load": "case.npz"} -> {}, {"answer": "answer.npy"} -> {}, {"time": true} -> {"seconds": ...}
"""

# mypy: disable-error-code="import-not-found"

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.engines import timing


def load(case: str) -> Callable[[], Any]:
    """A call of an LSTM and a Linear on the file's inputs, with the file's weights."""
    given = {name: torch.from_numpy(array) for name, array in np.load(case).items()}
    lstm = torch.nn.LSTM(*given["kernel"].shape[:1], len(given["recurrent"]), batch_first=True)
    head = torch.nn.Linear(*given["head"].shape)
    with torch.no_grad():  # Keras' gates are in PyTorch's order: i, f, c, o
        lstm.weight_ih_l0.copy_(given["kernel"].T)
        lstm.weight_hh_l0.copy_(given["recurrent"].T)
        lstm.bias_ih_l0.copy_(given["bias"])
        lstm.bias_hh_l0.zero_()
        head.weight.copy_(given["head"].T)
        head.bias.copy_(given["head_bias"])
    inputs = given["inputs"].numpy()

    def call() -> Any:
        with torch.inference_mode():
            hidden, _ = lstm(torch.from_numpy(inputs))
            return head(hidden).numpy()

    return call


def main() -> None:
    torch.set_num_threads(1)
    call: Callable[[], Any] = list
    for line in sys.stdin:
        request, answer = json.loads(line), {}
        if "load" in request:
            call = load(request["load"])
        elif "answer" in request:
            np.save(request["answer"], call())
        else:
            answer["seconds"] = timing.median(call)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
