import asyncio
import json
from typing import Any

import pytest

from service.http.messages import Request
from service.protocols.documentation import Documentation
from service.request_context import Caller

OWN = {
    "openapi": "3.0.2",
    "paths": {"/many_to_many": {"post": {"tags": ["Service APIs"]}}},
    "components": {"schemas": {"InvalidArgument": {"type": "object"}}},
}


class Document:
    """Stands in for BentoML's."""

    def asdict(self) -> dict[str, Any]:
        return OWN


@pytest.fixture
def document() -> dict[str, Any]:
    (route,) = Documentation(Document, lambda: {"walks", "stocks"}).routes
    assert (route.path, route.method) == ("/docs.json", "GET")

    async def shown() -> bytes:
        return (await route.handle(Request(b"", Caller()))).body

    whole: dict[str, Any] = json.loads(asyncio.run(shown()))
    return whole


def test_the_route_by_name_stands_beside_bentomls_own(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == ["/many_to_many", "/models/{name}/predict"]
    operation = document["paths"]["/models/{name}/predict"]["post"]
    assert operation["tags"] == ["Service APIs"]
    assert operation["parameters"] == [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "enum": ["stocks", "walks"]}}
    ]
    assert "/models/{name}/predict" not in OWN["paths"]


def test_every_schema_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set[str]().union(*map(references, part)) if isinstance(part, list) else set()

    schemas = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    assert list(schemas["NamedPredictionRequest"]["properties"]) == ["sequences", "model_version", "routing_key", "strict"]
    assert {"sequences", "outputs", "labels", "probabilities", "domain", "in_domain"} <= set(
        schemas["NamedPrediction"]["properties"]
    )
    assert "InvalidArgument" in schemas
    assert "$defs" not in json.dumps(document)
