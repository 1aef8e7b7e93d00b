"""The one list of what can be asked: each route with its request, its answer and its own errors.

`document.py` makes the OpenAPI document of it. Errors that every route has are in `problems.py`.
"""

from typing import Final, NamedTuple

from pydantic import BaseModel

from service import errors
from service.errors import UnrollError
from service.protocols import admin_schemas, schemas
from service.security.keys import Needed, Scope, needed

JSON: Final = "application/json"
HTML: Final = "text/html"
TEXT: Final = "text/plain"
TAGS: Final = {
    "predictions": "Rows in, answers out. A row's answer does not depend on the other rows of the request.",
    "models": "What is served, and how versions on trial compare.",
    "admin": "For keys with the scope `admin`: changes of the store, which every service that uses the store follows.",
    "operation": "For orchestrators and for Prometheus.",
    "documentation": "For people, and for makers of clients.",
}
_ROWS: Final[tuple[type[UnrollError], ...]] = (
    *(errors.InvalidRequest, errors.InvalidShape, errors.OutOfDomain, errors.TooFarOut, errors.TooManyValues),
    *(errors.UnknownVersion, errors.NotFinite, errors.DeadlineExceeded, errors.NotJSON, errors.Overloaded),
)
_CHANGE: Final = (errors.NotJSON, errors.InvalidRequest, errors.UnknownRoute, errors.Unchangeable, errors.DeadlineExceeded)


class Operation(NamedTuple):
    """`request` and `answer`: types of `schemas.py`. Without a type the answer is any object, or a text."""

    path: str
    method: str
    id: str
    tag: str
    summary: str
    description: str = ""
    request: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    content: tuple[str, ...] = (JSON,)
    errors: tuple[type[UnrollError], ...] = ()  # beside those of every route
    scope: Scope | None = "predict"  # that a key must have, where the service has keys
    body_needed: bool = True
    files: tuple[str, ...] = ()  # names for `{file}` in the path
    of_bentoml: bool = False  # BentoML answers: without a request id, whatever the client's timeout

    @property
    def needs(self) -> Needed | None:
        """What opens the route, where the service has keys; None: it needs no key."""
        return needed(self.method, self.scope)


def _echo(name: str, summary: str, description: str, *own: type[UnrollError]) -> Operation:
    kinds = (*_ROWS, errors.ModelNotServed, *own)
    request = schemas.PredictionRequest
    return Operation(f"/{name}", "POST", name, "predictions", summary, description, request, schemas.Prediction, errors=kinds)


OPERATIONS: Final = (
    _echo("one_to_one", "Echo, each item by itself", "Every item is a sample of its own. Rows may have any length."),
    _echo(
        "many_to_one",
        "Echo a row as one vector",
        "All rows have one length, for which a model is served.",
        errors.LengthNotServed,
    ),
    _echo(
        "many_to_many", "Echo a row step by step", "One item comes out for each item that goes in. Rows may have any length."
    ),
    Operation(
        "/models/{name}/predict",
        "POST",
        "predict",
        "predictions",
        "Ask any model by its name",
        "`GET /models/{name}` tells the model's features in their order, its task and its domain.",
        schemas.NamedPredictionRequest,
        schemas.NamedPrediction,
        errors=(*_ROWS, errors.UnknownRoute, errors.UnknownModel, errors.LengthNotServed, errors.ModelNotServed),
    ),
    Operation(
        "/models", "GET", "list_models", "models", "Versions in memory, refused versions, workers", answer=schemas.Models
    ),
    Operation(
        "/models/{name}",
        "GET",
        "show_model",
        "models",
        "A model's card",
        "The version that answers requests which name no version, and all versions in memory.",
        answer=schemas.Card,
        errors=(errors.UnknownRoute, errors.UnknownModel),
    ),
    Operation(
        "/models/{name}/comparison",
        "GET",
        "compare_versions",
        "models",
        "Canaries and shadows of a model, compared",
        "Each version on trial beside the version that its alias names, over all workers.",
        answer=schemas.Comparison,
        errors=(errors.UnknownRoute, errors.UnknownModel),
    ),
    Operation(
        "/admin/models/{name}",
        "GET",
        "show_stored_model",
        "admin",
        "Versions and aliases in the store",
        answer=admin_schemas.StoredModel,
        errors=(errors.UnknownRoute, errors.Unchangeable, errors.DeadlineExceeded),
        scope="admin",
    ),
    Operation(
        "/admin/models/{name}/promote",
        "POST",
        "promote",
        "admin",
        "Point an alias to a version",
        "The version must be in the store and whole. The workers follow within a moment.",
        admin_schemas.Promotion,
        admin_schemas.Changed,
        errors=_CHANGE,
        scope="admin",
    ),
    Operation(
        "/admin/models/{name}/rollback",
        "POST",
        "roll_back",
        "admin",
        "Point an alias back to the version before",
        "The workers follow within a moment.",
        admin_schemas.Rollback,
        admin_schemas.Changed,
        errors=_CHANGE,
        scope="admin",
        body_needed=False,
    ),
    Operation(
        "/admin/keys",
        "GET",
        "list_keys",
        "admin",
        "Names, scopes and rates of the keys",
        answer=admin_schemas.KeyList,
        scope="admin",
    ),
    *(
        Operation(path, "GET", id_, "operation", summary, content=(TEXT,), scope=None, of_bentoml=True)
        for path, id_, summary in (
            ("/livez", "is_alive", "Whether the worker lives"),
            ("/healthz", "is_healthy", "The same as /livez"),
            ("/readyz", "is_ready", "Whether the worker takes requests: 503 while it drains"),
        )
    ),
    Operation(
        "/metrics",
        "GET",
        "metrics",
        "operation",
        "Metrics of all workers, as Prometheus reads them",
        content=(TEXT,),
        scope="metrics",
        of_bentoml=True,
    ),
    Operation("/docs.json", "GET", "openapi", "documentation", "This document"),
    Operation("/docs", "GET", "docs", "documentation", "The page that shows this document", content=(HTML,), scope=None),
    Operation(
        "/docs/{file}",
        "GET",
        "docs_file",
        "documentation",
        "A script or a style of that page",
        content=("text/css", "text/javascript"),
        errors=(errors.UnknownRoute,),
        scope=None,
        files=("start.js", "swagger-ui.css"),
    ),
    Operation(
        "/schema.json",
        "GET",
        "bentoml_schema",
        "documentation",
        "What BentoML's own client reads first",
        of_bentoml=True,
    ),
    Operation("/", "GET", "page", "documentation", "What is served, and a place to try it", content=(HTML,), scope=None),
    Operation(
        "/page/{file}",
        "GET",
        "page_file",
        "documentation",
        "A file of that page",
        content=("text/css", "text/javascript", "image/svg+xml", TEXT),
        errors=(errors.UnknownRoute,),
        scope=None,
        files=("main.js", "uPlot-LICENSE.txt"),
    ),
)
