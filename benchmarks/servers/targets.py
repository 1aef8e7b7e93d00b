"""The measured servers: how each starts, the request that it gets, and how to read its answer."""

import json
import os
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from loadtests.payloads import TUTORIAL_ROW
from loadtests.processes import BIN, ROOT, SERVICE, bentoml_serve, free_port, home_environment

PEERS: Final = ROOT / ".venv-bench"
OURS: Final = "unroll"
ECHO: Final = "echo"
BARE: Final = "bare_onnx"
"""The yardstick: the application that an able engineer would write by hand, on uvicorn."""
GRANIAN: Final = "granian"
FASTAPI: Final = "fastapi"
LITSERVE: Final = "litserve"
TORCH: Final = "torch"
"""No server, but an environment like those of the peers: `benchmarks.engine` uses it."""
ROW: Final = list(TUTORIAL_ROW)
UVLOOP: Final = ("--loop", "uvloop", "--http", "httptools")
CLOSE_TO_INPUT: Final = 0.05
"""Largest difference from the input: every trained model echoes, and a published one is closer than that."""
SEQUENCES: Final = json.dumps({"sequences": [ROW]}).encode()
V2: Final = json.dumps(
    {"id": "1", "inputs": [{"name": "sequences", "shape": [1, len(ROW)], "datatype": "FP32", "data": ROW}]}
).encode()


@dataclass(frozen=True)
class Target:
    name: str
    label: str
    how: str  # a few words on its configuration, which follows its documentation
    command: Callable[[Path, int, Path], list[str]]  # a function of the environment's bin, a port and an empty folder
    path: str = "/predict"
    body: bytes = SEQUENCES
    environment: str | None = None  # under PEERS; None is the project's own
    environ: Callable[[Path, Path], Mapping[str, str]] = field(default=lambda _model, _folder: {})
    expected: Sequence[float] = tuple(ROW)  # the numbers of a right answer
    within: float = CLOSE_TO_INPUT  # largest difference from `expected`
    labels: Sequence[str] | None = None  # of a right answer; None: the model has no classes

    @property
    def bin(self) -> Path:
        return BIN if self.environment is None else PEERS / self.environment / "bin"

    @property
    def installed(self) -> bool:
        return (self.bin / "python").exists()


def models_folder() -> Path:
    """The store that the service reads."""
    return Path(os.environ.get("BENTOML_HOME") or ROOT / ".bentoml") / "models"


def numbers(answer: bytes) -> list[float]:
    """The items, or the probabilities, of an answer in any of the servers' formats. Raises ValueError for another body."""
    document: Any = json.loads(answer)
    if isinstance(document, dict):
        outputs = document.get("outputs")
        document = outputs[0]["data"] if outputs else document.get("probabilities", document.get("sequences"))
    rows = document if isinstance(document, list) else []
    items = [item for row in rows for item in (row if isinstance(row, list) else [row])]
    if not items or not all(isinstance(item, int | float) for item in items):
        raise ValueError(f"not an answer: {answer[:200]!r}")
    return [float(item) for item in items]


def labels(answer: bytes) -> list[str] | None:
    """The class of each row in an answer; None where it has none."""
    document: Any = json.loads(answer)
    return document.get("labels") if isinstance(document, dict) else None


def environ(target: Target, model: Path, folder: Path) -> dict[str, str]:
    """A server's whole environment; the server may write in `folder`."""
    common = {
        **home_environment(models_folder().parent),
        "MODEL": str(model),
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "UNROLL_DRAIN_SECONDS": "0",
    }
    return {**os.environ, **common, **target.environ(model, folder)}


def _bentoml(service: str) -> Callable[[Path, int, Path], list[str]]:
    return lambda bin_, port, _folder: bentoml_serve(port, service, bin_=bin_)


def _uvicorn(app: str, *options: str) -> Callable[[Path, int, Path], list[str]]:
    common = ["--host", "127.0.0.1", "--no-access-log", *options]
    return lambda bin_, port, _folder: [str(bin_ / "python"), "-m", "uvicorn", app, "--port", str(port), *common]


def _granian(app: str) -> Callable[[Path, int, Path], list[str]]:
    """granian's default runtime mode; `st` and `mt` are no faster here."""
    options = ["--interface", "asgi", "--host", "127.0.0.1", "--workers", "1", "--loop", "uvloop", "--no-ws"]
    return lambda bin_, port, _folder: [str(bin_ / "granian"), *options, "--port", str(port), app]


def _module(name: str) -> Callable[[Path, int, Path], list[str]]:
    return lambda bin_, port, folder: [str(bin_ / "python"), "-m", name, str(port), str(folder)]


def _mlserver(model: Path, folder: Path) -> dict[str, str]:
    settings = {"DEBUG": "false", "HOST": "127.0.0.1", "GRPC_PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    folders = {"METRICS_DIR": str(folder / "metrics"), "ENVIRONMENTS_DIR": str(folder / "environments")}
    implementation = "benchmarks.peers.mlserver_runtime.OnnxModel"
    of_model = {"MODEL_NAME": "many_to_many", "MODEL_IMPLEMENTATION": implementation, "MODEL_URI": str(model)}
    return {f"MLSERVER_{name}": value for name, value in {**settings, **folders, **of_model}.items()}


def _mlserver_command(bin_: Path, port: int, folder: Path) -> list[str]:
    return ["/usr/bin/env", f"MLSERVER_HTTP_PORT={port}", str(bin_ / "mlserver"), "start", str(folder)]


def _triton(_model: Path, _folder: Path) -> dict[str, str]:
    """Triton loads `libpython3.*.so` by name: this Python's own must come before the system's."""
    folders = [sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH")]
    ports = {"TRITON_GRPC_PORT": str(free_port()), "TRITON_METRICS_PORT": str(free_port())}
    return {**ports, "LD_LIBRARY_PATH": ":".join(folder for folder in folders if folder)}


def _own_store(_model: Path, folder: Path) -> dict[str, str]:
    return {"BENTOML_HOME": str(folder)}  # `bentoml serve` empties the metrics folder in it, which other servers may use


TARGETS: Final = (
    Target(
        ECHO,
        "bare ASGI echo",
        "orjson.loads, orjson.dumps; uvicorn with uvloop and httptools; no model: the limit",
        _uvicorn("benchmarks.peers.asgi_echo:app", *UVLOOP),
    ),
    Target(OURS, "unroll (ours)", f"bentoml serve {SERVICE}", _bentoml(SERVICE), "/many_to_many"),
    Target(
        BARE,
        "hand-written, uvicorn",
        "bare ASGI, orjson in and out, no checks; uvicorn with uvloop and httptools",
        _uvicorn("benchmarks.peers.bare_onnx:app", *UVLOOP),
    ),
    Target(
        GRANIAN,
        "hand-written, granian",
        "the same application; granian with uvloop, one worker",
        _granian("benchmarks.peers.bare_onnx:app"),
        environment="granian",
    ),
    Target(
        FASTAPI,
        "FastAPI",
        "pydantic in and out, async def endpoint, uvicorn[standard]",
        _uvicorn("benchmarks.peers.fastapi_app:app"),
        environment="fastapi",
    ),
    Target(
        "bentoml",
        "BentoML, typed endpoint",
        "list[list[float]] in and out",
        _bentoml("benchmarks.peers.bentoml_plain:Plain"),
        environ=_own_store,
    ),
    Target(
        "bentoml_batched",
        "BentoML, batchable",
        "arrays, max_batch_size=32, max_latency_ms=1000",
        _bentoml("benchmarks.peers.bentoml_batched:Batched"),
        environ=_own_store,
    ),
    Target(LITSERVE, "LitServe", "LitAPI, one worker", _module("benchmarks.peers.litserve_app"), environment="litserve"),
    Target(
        "mlserver",
        "MLServer",
        "custom runtime, V2 request, one inference worker",
        _mlserver_command,
        "/v2/models/many_to_many/infer",
        V2,
        "mlserver",
        _mlserver,
    ),
    Target("ray", "Ray Serve", "one replica", _module("benchmarks.peers.ray_app"), environment="ray"),
    Target(
        "triton",
        "Triton",
        "Python backend by PyTriton, V2 request, max_batch_size=64, its dynamic batcher",
        _module("benchmarks.peers.triton_app"),
        "/v2/models/many_to_many/infer",
        V2,
        "triton",
        _triton,
    ),
)
IDLE: Final = Target(
    "idle",
    "a BentoML service that does nothing",
    "list[list[float]] in, the same out; no model",
    _bentoml("benchmarks.peers.bentoml_idle:Idle"),
    environ=_own_store,
)
"""This server gets no load: its start-up is compared with ours."""


def unroll(settings: Mapping[str, str] = MappingProxyType({})) -> Target:
    """The service, with `settings` in its environment."""
    ours = next(target for target in TARGETS if target.name == OURS)
    return replace(ours, environ=lambda _model, _folder: settings)
