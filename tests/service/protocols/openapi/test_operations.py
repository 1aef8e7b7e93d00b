"""The list of operations is that of the routes: ours, and those that BentoML adds."""

import bentoml

from service.hosting.swagger_ui import UNUSED
from service.page.page import Page
from service.protocols.admin import Admin
from service.protocols.models import ModelPages
from service.protocols.native import Native
from service.protocols.openapi.documentation import Documentation
from service.protocols.openapi.operations import OPERATIONS, TAGS
from service.protocols.problem import render_error

PROTOCOLS = (Native, ModelPages, Admin, Documentation)


@bentoml.service
class Bare:
    """Has no route but those that BentoML gives to every service."""


def test_every_route_of_ours_is_listed_with_its_scope_and_no_other() -> None:
    routes = [route for kind in PROTOCOLS for route in kind.__new__(kind).routes]  # type: ignore[attr-defined]
    routes += Page(render_error, keys=False).routes
    ours = [operation for operation in OPERATIONS if not operation.of_bentoml]
    assert sorted((each.path, each.method, str(each.needs)) for each in ours) == sorted(
        (route.path, route.method, str(route.needs)) for route in routes
    )


def test_every_route_of_bentoml_is_listed_and_no_other() -> None:
    application = Bare.to_asgi(is_main=True)  # type: ignore[attr-defined]  # the decorator made it a Service
    theirs = {route.path for route in application.routes if route.name not in UNUSED}
    ours = {operation.path for operation in OPERATIONS if not operation.of_bentoml}
    assert {operation.path for operation in OPERATIONS if operation.of_bentoml} == theirs - ours


def test_every_operation_says_what_it_is() -> None:
    ids = [operation.id for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert {operation.tag for operation in OPERATIONS} == set(TAGS)
    assert all(operation.summary for operation in OPERATIONS)
