"""The service under test: already running, or started here and ended again."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from loadtests.client import ask, why_not_ready
from loadtests.processes import NotServing, bentoml_serve, free_port, started


@dataclass(frozen=True)
class Served:
    """The topologies that a service answers, and the lengths of its many_to_one models."""

    topologies: tuple[TopologyName, ...]
    lengths: tuple[int, ...]


class _Model(BaseModel):
    topology: TopologyName
    length: int


class _Models(BaseModel):
    models: list[_Model]


@contextmanager
def target(url: str | None, port: int, log: Path) -> Iterator[str]:
    """The address of a ready service: `url`, else the one on the local `port`, else one that lives as long as the block."""
    local = f"http://127.0.0.1:{port}"
    if url is not None:
        why = why_not_ready(url)
        if why:
            raise NotServing(f"nothing is ready at {url}: {why}")
        yield url
    elif why_not_ready(local) is None:
        yield local
    else:
        free = free_port()
        with started(bentoml_serve(free), f"http://127.0.0.1:{free}", log) as own:
            yield own


def served(url: str) -> Served:
    """The models that GET /models lists. Raises NotServing when the answer is not one of ours, or lists none."""
    try:
        status, body = ask(f"{url}/models", timeout=5.0)
        if status in (401, 403):
            raise NotServing(f"{url}/models answers {status}: set UNROLL_KEY to a key that the service lets in")
        if status != 200:
            raise NotServing(f"{url}/models answers {status}; is this the unroll service?")
        models = _Models.model_validate_json(body).models
    except (OSError, http.client.HTTPException) as error:
        raise NotServing(f"{url}/models cannot be read: {error}") from error
    except ValidationError as error:
        raise NotServing(f"{url}/models is not a list of models: {error.errors()[0]['msg']}") from error
    if not models:
        raise NotServing(f"{url} serves no model; publish some with: make train")
    found = {model.topology for model in models}
    lengths = {model.length for model in models if not TOPOLOGIES[model.topology].any_length}
    return Served(tuple(name for name in TOPOLOGY_NAMES if name in found), tuple(sorted(lengths)))
