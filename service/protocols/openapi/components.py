"""The schemas of requests and answers, from the types of `schemas.py` and from the models that are served."""

from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contract.topologies import parse_echo_name
from service.protocols.openapi.facts import Facts
from service.protocols.openapi.operations import OPERATIONS

SCHEMAS: Final = "#/components/schemas/"
LARGEST: Final = 3.4028235677973362e38
"""The largest number of 64 bits that is finite as float32."""
NUMBER: Final = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"{SCHEMAS}{name}"}


def schemas(facts: Facts) -> dict[str, Any]:
    """By name; with what the limits and the models of this service ask of rows."""
    manifests = [model.manifest for served in [*facts.served.values()] for model in served.versions.values()]
    echoes = [manifest.length for manifest in manifests if not manifest.any_length and parse_echo_name(manifest.name)]
    widths = sorted({len(manifest.features) for manifest in manifests}) or [1]
    known, most = _of_types(facts.admin), facts.max_items
    numbers, one_length = _list(NUMBER, 1, most), _list(NUMBER, min(echoes, default=1), max(echoes, default=most))
    rows = [numbers if width == 1 else _list(_list(NUMBER, width, width), 1, most) for width in widths]
    sequences = [_list(row, 1, facts.max_rows) for row in rows]
    return {
        **known,
        "PredictionRequest": _with_rows(known["PredictionRequest"], _list(numbers, 1, facts.max_rows)),
        "ManyToOneRequest": _with_rows(known["PredictionRequest"], _list(one_length, 1, facts.max_rows)),
        "NamedPredictionRequest": _with_rows(
            known["NamedPredictionRequest"], sequences[0] if len(sequences) == 1 else {"anyOf": sequences}
        ),
    }


def _list(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _with_rows(request: dict[str, Any], rows: dict[str, Any]) -> dict[str, Any]:
    """A request's schema with another schema for its rows."""
    properties = request["properties"]
    return {
        **request,
        "properties": {**properties, "sequences": {**rows, "description": properties["sequences"]["description"]}},
    }


@cache
def _of_types(admin: bool) -> dict[str, Any]:
    """Of every request and answer, with all that they refer to. `admin`: with those of the routes for admins."""
    kinds: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for operation in OPERATIONS:
        if admin or operation.scope != "admin":
            if operation.request is not None:
                kinds[operation.request, "validation"] = None
            if operation.answer is not None:
                kinds[operation.answer, "serialization"] = None
    _, definitions = models_json_schema([*kinds], ref_template=f"{SCHEMAS}{{model}}")
    return {name: _tidied(schema) for name, schema in definitions["$defs"].items()}


def _tidied(part: Any) -> Any:
    """Without pydantic's titles, which say no more than the names do, and without defaults that stand for nothing."""
    if isinstance(part, list):
        return [_tidied(each) for each in part]
    if not isinstance(part, dict):
        return part
    tidied = {key: _tidied(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if "default" in tidied and tidied["default"] is None:
        del tidied["default"]
    return tidied
