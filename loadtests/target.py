"""The service under test: already running, or started here and ended again."""

import http.client
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
from pydantic import BaseModel, ValidationError

from contract.hints import typed
from contract.store_place import for_libraries, store_place
from loadtests.client import ask, why_not_ready
from loadtests.models import Model
from loadtests.processes import NotServing, bentoml_serve, free_port, started

Content = TypeVar("Content", bound=BaseModel)


class _Listed(BaseModel):
    name: str


class _List(BaseModel):
    models: list[_Listed]


@contextmanager
def target(url: str | None, port: int, log: Path) -> Iterator[str]:
    """The address of a ready service: `url`, else the one on the local `port`, else one that lives as long as the block."""
    local = f"http://127.0.0.1:{port}"
    if url is not None:
        why = why_not_ready(url)
        if why:
            raise NotServing(f"nothing is ready at {url}: {why}. Does the service run there? Type: {typed('serve')}")
        yield url
    elif why_not_ready(local) is None:
        yield local
    else:
        free = free_port()
        click.echo(f"store: {store_place(os.environ, Path.cwd())}", err=True)
        os.environ.update(for_libraries(os.environ, Path.cwd()))
        with started(bentoml_serve(free), f"http://127.0.0.1:{free}", log) as own:
            yield own


def served(url: str) -> list[Model]:
    """The default version of every served model, by name. Raises NotServing when no model is listed, or a page is not ours."""
    names = {version.name for version in _get(url, "/models", _List).models}
    if not names:
        raise NotServing(f"{url} serves no model; publish some with: {typed('train')}")
    return [_get(url, f"/models/{name}", Model) for name in sorted(names)]


def _get(url: str, path: str, form: type[Content]) -> Content:
    """The content of a page. Raises NotServing when it cannot be read."""
    try:
        status, body = ask(f"{url}{path}", timeout=5.0)
        if status in (401, 403):
            raise NotServing(f"{url}{path} answers {status}: set UNROLL_KEY to a key that the service lets in")
        if status != 200:
            raise NotServing(f"{url}{path} answers {status}; is this the unroll service?")
        return form.model_validate_json(body)
    except (OSError, http.client.HTTPException) as error:
        raise NotServing(f"{url}{path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise NotServing(f"{url}{path} is not what a load test needs: {what}; is this the unroll service?") from error
