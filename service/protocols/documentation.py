"""`GET /docs.json`: BentoML's OpenAPI document, with the route for models by name, which BentoML cannot declare.

An endpoint of BentoML has no parameter in its path. The page at `/` shows this document.
"""

import json
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel

from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.problem import render_error
from service.protocols.schemas import NamedPrediction, NamedPredictionRequest, Problem

PATH: Final = "/models/{name}/predict"
_SCHEMAS: Final = "#/components/schemas/"


class Documentation:
    """`document`: makes BentoML's own. `names`: of the served models."""

    def __init__(self, document: Callable[[], Any], names: Callable[[], Collection[str]]) -> None:
        self._document, self._names = document, names

    @property
    def routes(self) -> list[Route]:
        return [Route("/docs.json", "GET", self._show, render_error)]

    @cached_property
    def _own(self) -> dict[str, Any]:
        own: dict[str, Any] = self._document().asdict()
        return own

    async def _show(self, _request: Request) -> Response:
        own, schemas = self._own, dict[str, Any]()
        request, answer, problem = (_schema(kind, schemas) for kind in (NamedPredictionRequest, NamedPrediction, Problem))
        name = {"type": "string", "enum": sorted(self._names())}
        operation = {
            "tags": own["paths"]["/many_to_many"]["post"]["tags"],
            "operationId": "predict_by_name",
            "description": "The answer of any model, by its name in the store. GET /models/{name} tells its features in order.",
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": name}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
            "responses": {
                "200": {"description": "The answer to each row.", "content": {"application/json": {"schema": answer}}},
                "default": {"description": "An error.", "content": {"application/problem+json": {"schema": problem}}},
            },
        }
        components = {**own["components"], "schemas": {**own["components"]["schemas"], **schemas}}
        document = {**own, "paths": {**own["paths"], PATH: {"post": operation}}, "components": components}
        return Response(json.dumps(document).encode())


def _schema(kind: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """A reference to the schema of `kind`, which is added to `schemas` with all that it refers to."""
    schema = kind.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    schemas |= schema.pop("$defs", {}) | {kind.__name__: schema}
    return {"$ref": f"{_SCHEMAS}{kind.__name__}"}
