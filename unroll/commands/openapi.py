"""`unroll openapi`: the document of a service that runs, or of the one that would run with this store and these settings.

Without a server it loads the versions that a service would load: the examples in the document are their answers.
"""

import json
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import click

from contract.hints import typed


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, not to the screen.")
@click.option("--url", help="Ask a running service, such as http://127.0.0.1:3000.")
@click.option("--key", envvar="UNROLL_KEY", help="The key for a service with keys. Default: UNROLL_KEY.")
def openapi(output: Path | None, url: str | None, key: str | None) -> None:
    """Write the OpenAPI 3.1 document: every route, its requests, answers and errors.

    \b
    Examples:
      unroll openapi -o openapi.json
      unroll openapi --url http://127.0.0.1:3000 -o openapi.json
    """
    document = _of_store() if url is None else _of_service(url, key)
    text = f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}") from error
    click.echo(f"{output}: OpenAPI {document['openapi']}, {len(document['paths'])} paths", err=True)


def _of_store() -> dict[str, Any]:
    from contract.store import ModelStore  # noqa: PLC0415
    from service.errors import ModelNotServed  # noqa: PLC0415
    from service.protocols.openapi.document import document  # noqa: PLC0415
    from service.protocols.openapi.facts import Facts  # noqa: PLC0415
    from service.runtime.runtimes import load  # noqa: PLC0415
    from service.security.key_check import Guard  # noqa: PLC0415
    from service.security.key_rates import KeyRates  # noqa: PLC0415
    from service.security.reloaded_files import Unusable  # noqa: PLC0415
    from service.settings import Settings, place  # noqa: PLC0415
    from service.versions.registry import Registry  # noqa: PLC0415

    settings = Settings.read()
    click.echo(f"store: {place()}", err=True)
    registry = Registry(ModelStore(settings.models_dir), partial(load, choice=settings.runtime), settings.keep_previous)
    try:
        registry.load_all()
        guard = Guard(settings.keys_file, KeyRates(settings.models_dir))  # it is asked which keys exist, and counts none
    except ModelNotServed as error:
        raise click.ClickException(f"{error.detail}. Train models with: {typed('train')}. Or ask a service: --url") from error
    except Unusable as error:
        raise click.ClickException(str(error)) from error
    return document(Facts.of(registry.served, settings, guard))


def _of_service(url: str, key: str | None) -> dict[str, Any]:
    where = f"{url.rstrip('/')}/docs.json"
    if not where.startswith(("http://", "https://")):
        raise click.ClickException(f"expected an address such as http://127.0.0.1:3000; received {url}")
    request = urllib.request.Request(where)  # noqa: S310 - see above
    if key:
        request.add_unredirected_header("authorization", f"Bearer {key}")  # urllib would send it to wherever an answer leads
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            document: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{where} answered {error.code}: {_detail(error.read())}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise click.ClickException(
            f"no document at {where}: {why}. Does the service run there? Type: {typed('serve')}"
        ) from error
    return document


def _detail(content: bytes) -> str:
    """What a problem says, or the beginning of another answer."""
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
