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
    """A call of stacked LSTM layers and a Linear on the file's inputs, with the file's weights in Keras' order.

    Per layer a kernel, a recurrent kernel and a bias; then the head and its bias.
    """
    given = np.load(case)
    weights = [torch.from_numpy(given[f"weights_{number}"]) for number in range(len(given.files) - 2)]
    (*of_layers, head_weight, head_bias), layers = weights, (len(weights) - 2) // 3
    lstm = torch.nn.LSTM(len(weights[0]), len(weights[1]), num_layers=layers, batch_first=True)
    head = torch.nn.Linear(*head_weight.shape)
    with torch.no_grad():  # Keras' gates are in PyTorch's order: i, f, c, o
        for layer in range(layers):
            kernel, recurrent, bias = of_layers[3 * layer : 3 * layer + 3]
            getattr(lstm, f"weight_ih_l{layer}").copy_(kernel.T)
            getattr(lstm, f"weight_hh_l{layer}").copy_(recurrent.T)
            getattr(lstm, f"bias_ih_l{layer}").copy_(bias)
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        head.weight.copy_(head_weight.T)
        head.bias.copy_(head_bias)
    inputs = given["inputs"]

    def label() -> Any:
        with torch.inference_mode():
            hidden, _ = lstm(torch.from_numpy(inputs))
            return head(hidden).numpy()

    def classify() -> Any:
        with torch.inference_mode():
            _, (last, _) = lstm(torch.from_numpy(inputs))  # last: (layers, batch, units)
            return torch.softmax(head(last[-1]), dim=-1).numpy()

    return classify if given["classifies"] else label


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
