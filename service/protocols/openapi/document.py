"""The OpenAPI 3.1 document of a service, as it serves now: its routes, its models, its limits, its keys."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from contract.topologies import NAME, parse_echo_name
from service.protocols.admin_schemas import Promotion
from service.protocols.openapi import components
from service.protocols.openapi.components import reference
from service.protocols.openapi.examples import Example, example_of
from service.protocols.openapi.facts import Facts
from service.protocols.openapi.operations import JSON, OPERATIONS, TAGS, TEXT, Operation
from service.protocols.openapi.problems import HEADERS, headers, kinds_of, problem_response, problem_schema
from service.security.key_check import ADMITTED
from service.security.keys import Needed

EVERY: Final = ("x-content-type-options", "cache-control")
"""The headers of every answer."""
OURS: Final = ("x-request-id", *EVERY)
KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`authorization: Bearer <key>`"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key, in a header of its own."},
}
ABOUT: Final = """\
LSTM models on sequences. An echo takes `{"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]}` and answers with the same rows,
as the model echoes them. `POST /models/{name}/predict` asks any model. What is served: `GET /models`.

Errors are `application/problem+json` (RFC 9457). A `GET` route takes `HEAD` too."""
OPEN: Final = "This service was started without keys: it admits every client."
GUARDED: Final = "This service asks for a key, in `authorization: Bearer <key>` or in `x-api-key`."


def document(facts: Facts) -> dict[str, Any]:
    examples = {name: example_of(served) for name, served in sorted({**facts.served}.items())}
    paths: dict[str, dict[str, Any]] = {}
    problems: dict[str, dict[str, Any]] = {}
    operations = [operation for operation in OPERATIONS if operation.scope != "admin" or facts.admin]
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, facts, examples, problems)
    statuses = sorted({int(name[-3:]) for name in problems})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "unroll",
            "version": facts.version,
            "description": f"{ABOUT}\n\n{GUARDED if facts.keys else OPEN}",
        },
        "servers": [{"url": "/"}],
        "security": [],
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": {**components.schemas(facts), **{f"Problem{status}": problem_schema(status) for status in statuses}},
            "responses": problems,
            "headers": {name: header for name, header in HEADERS.items() if facts.keys or name != "www-authenticate"},
            "parameters": _parameters(facts, [*examples]),
            "securitySchemes": KEYS,
        },
    }


def _operation(
    operation: Operation, facts: Facts, examples: Mapping[str, Example], problems: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Adds to `problems` the answers that are not there yet."""
    needs_key = facts.keys and operation.scope is not None and not (operation.scope == "metrics" and facts.open_metrics)
    said: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description or f"{operation.summary}.",
        "security": _security(operation.needs) if operation.needs is not None and needs_key else [],
    }
    shared = () if operation.of_bentoml else ("request-id", "traceparent", "timeout")
    names = (*(("name",) if "{name}" in operation.path else ()), *shared)
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if operation.files:
        parameters.insert(0, _of_path("file", "Its name.", operation.files))
    if parameters:
        said["parameters"] = parameters
    mine = {name: each for name, each in examples.items() if _answers(operation, name, each)}
    if operation.request is not None:
        schema = reference("ManyToOneRequest" if operation.id == "many_to_one" else operation.request.__name__)
        said["requestBody"] = {
            "description": "It may be compressed, with `content-encoding: gzip` or `zstd`.",
            "required": operation.body_needed,
            "content": {JSON: {"schema": schema, **_asked(operation, examples, mine)}},
        }
    said["responses"] = {"200": _answer(operation, mine)}
    if operation.path == "/readyz":
        said["responses"]["503"] = {"description": "It drains.", "headers": headers(EVERY), "content": _content(TEXT)}
    for status, kinds in kinds_of(operation, needs_key).items():
        response = problem_response(status, kinds, EVERY if operation.of_bentoml else OURS)
        name = f"{'-or-'.join(kind.slug for kind in kinds) if len(kinds) < 3 else operation.tag}-{status}"
        if problems.get(name, response) != response:  # another operation's, with other errors
            name = f"{operation.id}-{status}"
        problems[name] = response
        said["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
    return said


def _security(needs: Needed) -> list[dict[str, list[str]]]:
    """Any of these; for the bearer of a key with the scope that it names."""
    bearers: list[dict[str, list[str]]] = [{"bearer": [scope]} for scope in sorted(ADMITTED[needs], reverse=True)]
    return [*bearers, {"header": []}]


def _answers(operation: Operation, name: str, example: Example) -> bool:
    """Whether the model of this name answers the operation's predictions."""
    if operation.id == "predict":
        return True
    echo = parse_echo_name(name)
    return example.echo is not None and echo is not None and echo[0].name == operation.id


def _asked(operation: Operation, every: Mapping[str, Example], mine: Mapping[str, Example]) -> dict[str, Any]:
    """The examples of requests, by model; to promote what is in production changes nothing."""
    if operation.tag == "predictions":
        return {"examples": {name: {"value": each.request} for name, each in mine.items()}}
    alias = {"alias": "production"}
    if operation.request is not Promotion:
        return {"example": alias}
    return {"examples": {name: {"value": {"version": each.answer["version"], **alias}} for name, each in every.items()}}


def _answer(operation: Operation, mine: Mapping[str, Example]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": "The answer.",
        "headers": headers(EVERY if operation.of_bentoml else OURS),
        "content": {},
    }
    for content in operation.content:
        described["content"] |= _content(content, None if operation.answer is None else operation.answer.__name__)
    if operation.tag == "predictions":
        answers = {name: each.answer if operation.id == "predict" else each.echo for name, each in mine.items()}
        described["content"][JSON]["examples"] = {name: {"value": answer} for name, answer in answers.items()}
    return described


def _content(kind: str, answer: str | None = None) -> dict[str, Any]:
    if answer is not None:
        return {kind: {"schema": reference(answer)}}
    return {kind: {"schema": {"type": "object" if kind == JSON else "string"}}}


def _of_path(name: str, said: str, examples: Iterable[str], **schema: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": said,
        "schema": {"type": "string", **schema},
        "examples": {example: {"value": example} for example in examples},
    }


def _parameters(facts: Facts, names: list[str]) -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "name": _of_path("name", "The name of a model.", names, pattern=f"^{NAME}$"),
        "request-id": {
            "name": "x-request-id",
            "in": "header",
            "description": "Comes back with the answer, cut to 128 characters, and stands in the service's log.",
            "schema": text,
        },
        "traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "The trace that the request belongs to (W3C Trace Context).",
            "schema": text,
        },
        "timeout": {
            "name": "x-request-timeout-ms",
            "in": "header",
            "description": f"Milliseconds that the client waits, up to the service's maximum. Without it: {facts.timeout_ms}.",
            "schema": {"type": "integer", "minimum": 1},
        },
    }
