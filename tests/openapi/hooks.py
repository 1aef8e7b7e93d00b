"""What Schemathesis checks of this service beside its own checks. Loaded by it (SCHEMATHESIS_HOOKS)."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.generation import GenerationMode

BY_THE_MODEL = {"invalid-shape", "out-of-domain", "too-far-out", "length-not-served"}
"""Problems of well-formed rows that the asked model cannot take."""


@schemathesis.hook
def before_load_schema(_context: HookContext, raw_schema: dict[str, Any]) -> None:
    """An answer with a member that the document does not name fails here; clients are to ignore such members."""
    for schema in raw_schema["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)


@schemathesis.check
def only_the_model_refuses_a_valid_request(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    if response.status_code == 422 and case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        kind = response.json()["type"].removeprefix("urn:unroll:error:")
        assert kind in BY_THE_MODEL, f"a request that follows the document is called {kind}"


@schemathesis.check
def a_problem_states_its_own_status(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    if response.headers.get("content-type") == ["application/problem+json"]:
        assert response.json()["status"] == response.status_code
