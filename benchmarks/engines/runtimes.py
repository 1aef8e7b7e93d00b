"""One network in several runtimes, one thread each. Inputs are (batch, time, F) float32, outputs (batch, time, K)."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.engines import timing
from benchmarks.engines.cases import OURS, TORCH, Case
from benchmarks.peers import model as peers
from benchmarks.servers.targets import PEERS
from contract.rows import Floats
from loadtests.processes import ROOT, end
from training.translation import Weights, save


class Runtime(NamedTuple):
    answer: Callable[[], Floats]
    seconds: Callable[[], float]  # the median of several calls


def weights(features: int, units: int, outputs: int = 1) -> Weights:
    """Random weights, as large as those of a trained network."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Floats:
        return rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(units))

    gates = 4 * units
    return Weights(some(features, gates), some(units, gates), some(gates), some(units, outputs), some(outputs))


class Network:
    """One set of weights, translated and exported below `folder`."""

    def __init__(self, network: Weights, folder: Path) -> None:
        self.weights, self._folder = network, folder
        self._keras, self._signature = _exported(network, folder / "saved_model")
        save(network, per_step=True, scaling=None, folder=folder / "saved_model")

    def runtimes(self, inputs: Floats, torch: "Torch | None") -> dict[str, Runtime]:
        calls: dict[str, Callable[[], Floats]] = {
            OURS: self._ours(inputs),
            "onnx": partial(peers.load(str(self._folder / "saved_model")), inputs),
            "signature": partial(self._signature, inputs),
            "xla": self._xla(inputs),
        }
        runtimes = {name: Runtime(call, partial(timing.median, call)) for name, call in calls.items()}
        return runtimes if torch is None else {**runtimes, TORCH: torch.runtime(self.weights, inputs)}

    def _ours(self, inputs: Floats) -> Callable[[], Floats]:
        from service.runtime.onnx_runtime import OnnxRuntime  # noqa: PLC0415 - each runtime is imported where it is used

        runtime = OnnxRuntime(self._folder / "saved_model")
        return lambda: runtime.run(inputs, None)

    def _xla(self, inputs: Floats) -> Callable[[], Floats]:
        import tensorflow as tf  # noqa: PLC0415

        compiled = tf.function(self._keras, input_signature=[tf.TensorSpec(inputs.shape, tf.float32)], jit_compile=True)
        return lambda: np.asarray(compiled(tf.constant(inputs)))


def use_one_thread() -> None:
    """Limit TensorFlow to one thread. Call it before TensorFlow is used."""
    import tensorflow as tf  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def inputs_of(case: Case) -> Floats:
    return np.random.default_rng(0).random((case.batch, case.length, case.features), np.float32)


def _exported(network: Weights, folder: Path) -> tuple[Any, Callable[[Floats], Floats]]:
    """The Keras network, and its SavedModel's signature, exported as `training.networks` does it."""
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415
    from keras.export import ExportArchive  # noqa: PLC0415

    features, (units, outputs) = len(network.kernel), network.head.shape
    lstm = keras.layers.LSTM(units, return_sequences=True)
    model = keras.Sequential([keras.Input((None, features)), lstm, keras.layers.Dense(outputs)])
    model.set_weights(list(network))
    archive = ExportArchive()
    archive.track(model)
    shape = tf.TensorSpec((None, None, features), tf.float32, name="sequences")
    archive.add_endpoint(name="serving_default", fn=model, input_signature=[shape])
    archive.write_out(str(folder), verbose=False)
    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]

    def signature(inputs: Floats, _alive: object = loaded) -> Floats:
        (found,) = serve(sequences=tf.constant(inputs)).values()
        return np.asarray(found)

    return model, signature


class Torch:
    """PyTorch in an environment of its own. Its process times its own calls."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder

    def runtime(self, network: Weights, inputs: Floats) -> Runtime:
        """Load this network and these inputs, in place of the last ones."""
        np.savez(self._folder / "case.npz", inputs=inputs, **network._asdict())
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
