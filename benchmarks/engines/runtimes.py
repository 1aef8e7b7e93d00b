"""One network in several runtimes, one thread each.

Inputs are (batch, time, F) float32, outputs (batch, time, K), or (batch, K) of a classifier.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.engines import timing
from benchmarks.engines.cases import CUT, CUT_ROWS, OURS, TORCH, Case
from benchmarks.peers import model as peers
from benchmarks.servers.targets import PEERS
from contract.rows import Floats
from contract.topologies import TOPOLOGIES
from loadtests.processes import ROOT, end
from training.plan import Network

SEED: Final = 0
LENGTH: Final = 100
"""Of training rows, which no network here depends on."""


class Runtime(NamedTuple):
    answer: Callable[[], Floats]
    seconds: Callable[[], float]  # the median of several calls


def network_of(case: Case) -> Network:
    return Network(
        TOPOLOGIES["many_to_one" if case.classes else "many_to_many"],
        units=case.units,
        features=case.features,
        outputs=case.classes or 1,
        layers=case.layers,
        softmax=bool(case.classes),
    )


class Exports:
    """One network with untrained weights, as a SavedModel with its translation below `folder`."""

    def __init__(self, network: Network, folder: Path) -> None:
        import tensorflow as tf  # noqa: PLC0415 - each runtime is imported where it is used

        from training.networks import build, export  # noqa: PLC0415

        model = build(network, LENGTH, SEED)
        export(model, network, folder / "saved_model", None)
        self._network, self._folder = network, folder / "saved_model"
        self._weights: list[Floats] = model.get_weights()
        self._loaded = tf.saved_model.load(str(self._folder))  # keeps the variables alive
        self._serve = self._loaded.signatures["serving_default"]

    def runtimes(self, inputs: Floats, torch: "Torch | None") -> dict[str, Runtime]:
        onnx = peers.load(str(self._folder))
        calls: dict[str, Callable[[], Floats]] = {
            OURS: self._ours(inputs),
            "onnx": partial(onnx, inputs),
            "signature": lambda: np.asarray(self._called(inputs)),
            "xla": self._xla(inputs),
        }
        if len(inputs) > CUT_ROWS:
            parts = np.split(inputs, range(CUT_ROWS, len(inputs), CUT_ROWS))
            calls[CUT] = lambda: np.concatenate([onnx(part) for part in parts])
        runtimes = {name: Runtime(call, partial(timing.median, call)) for name, call in calls.items()}
        return runtimes if torch is None else {**runtimes, TORCH: torch.runtime(self._network, self._weights, inputs)}

    def _ours(self, inputs: Floats) -> Callable[[], Floats]:
        from service.runtime.onnx_runtime import OnnxRuntime  # noqa: PLC0415

        runtime = OnnxRuntime(self._folder)
        return lambda: runtime.run(inputs, None)

    def _xla(self, inputs: Floats) -> Callable[[], Floats]:
        import tensorflow as tf  # noqa: PLC0415

        compiled = tf.function(self._called, input_signature=[tf.TensorSpec(inputs.shape, tf.float32)], jit_compile=True)
        return lambda: np.asarray(compiled(tf.constant(inputs)))

    def _called(self, inputs: Any) -> Any:
        """The signature's answer to rows of one length."""
        import tensorflow as tf  # noqa: PLC0415

        given = {"sequences": tf.convert_to_tensor(inputs)}
        if not self._network.topology.per_step:  # it reads each row's last step
            rows, time, _ = inputs.shape
            given["lengths"] = tf.fill((rows,), time)
        (found,) = self._serve(**given).values()
        return found


def use_one_thread() -> None:
    """Limit TensorFlow to one thread. Call it before TensorFlow is used."""
    import tensorflow as tf  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def inputs_of(case: Case) -> Floats:
    return np.random.default_rng(0).random((case.batch, case.length, case.features), np.float32)


class Torch:
    """PyTorch in an environment of its own. Its process times its own calls."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder

    def runtime(self, network: Network, weights: Sequence[Floats], inputs: Floats) -> Runtime:
        """Load this network and these inputs, in place of the last ones. `weights` are in Keras' order."""
        arrays: dict[str, Any] = {f"weights_{number}": each for number, each in enumerate(weights)}
        np.savez(self._folder / "case.npz", inputs=inputs, classifies=network.softmax, **arrays)
        self._ask({"load": str(self._folder / "case.npz")})
        return Runtime(self._answer, lambda: float(self._ask({"time": True})["seconds"]))

    def _answer(self) -> Floats:
        self._ask({"answer": str(self._folder / "answer.npy")})
        found: Floats = np.load(self._folder / "answer.npy")
        return found

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"benchmarks.engines.torch_process ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def torch_if_installed() -> Iterator[Torch | None]:
    python = PEERS / TORCH / "bin" / "python"
    if not python.exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        process = subprocess.Popen(
            [str(python), "-m", "benchmarks.engines.torch_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                yield Torch(process, Path(folder))
            finally:
                end(process)
