"""Routes for keys with the scope admin: show the store, promote, roll back, show the keys.

The routes exist only while such a key is valid (`service/security/key_check.py`).
They change the store; the service follows it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from math import isfinite
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from contract.aliases import PRODUCTION
from contract.hints import did_you_mean
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from service.errors import DeadlineExceeded, InvalidRequest, NotJSON, Unchangeable, UnknownRoute
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.admin_schemas import Changed, KeyInfo, KeyList, Promotion, Rollback, StoredModel
from service.protocols.problem import render_error
from service.security.key_check import Guard

logger = logging.getLogger(__name__)
Asked = TypeVar("Asked", bound=BaseModel)
FIELDS: Final = ("name", "expires", "rate", "burst")
PROMOTE: Final = {"version": "20261130-090000-000000-abcd", "alias": PRODUCTION}
ROLL_BACK: Final = {"alias": PRODUCTION}
"""Examples of bodies."""


class Admin:
    """`aside`: `Admission.aside`, since the time of the store must not count as time of a model."""

    def __init__(self, store: ModelStore, guard: Guard, aside: Callable[[int], AbstractContextManager[None]]) -> None:
        self._store, self._guard, self._aside = store, guard, aside
        # Two threads: a change that waits for the store's lock does not delay requests that only look.
        self._looking, self._changing = (ThreadPoolExecutor(1, thread_name_prefix=f"admin-{n}") for n in ("looks", "changes"))

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/admin/models/{name}", "GET", self._stored, render_error, "admin"),
            Route("/admin/models/{name}/promote", "POST", self._promote, render_error, "admin", lambda _: PROMOTE),
            Route("/admin/models/{name}/rollback", "POST", self._roll_back, render_error, "admin", lambda _: ROLL_BACK),
            Route("/admin/keys", "GET", self._keys, render_error, "admin"),
        ]

    async def _stored(self, request: Request) -> Response:
        return await self._done(self._looking, request, self._look)

    async def _promote(self, request: Request) -> Response:
        asked = _read(Promotion, request.body)

        def promote(name: str) -> Changed:
            before = self._named(name, asked.alias)
            self._store.promote(name, asked.alias, asked.version)
            return Changed(model=name, alias=asked.alias, version=asked.version, before=before)

        return await self._done(self._changing, request, promote)

    async def _roll_back(self, request: Request) -> Response:
        asked = _read(Rollback, request.body or b"{}")

        def roll_back(name: str) -> Changed:
            before = self._named(name, asked.alias)
            return Changed(model=name, alias=asked.alias, version=self._store.rollback(name, asked.alias), before=before)

        return await self._done(self._changing, request, roll_back)

    async def _keys(self, _request: Request) -> Response:
        keys = [KeyInfo(**key.model_dump(include=set(FIELDS)), scopes=sorted(key.scopes)) for key in self._guard.keys]
        return Response(KeyList(keys=keys).model_dump_json().encode())

    async def _done(self, thread: Executor, request: Request, what: Callable[[str], BaseModel]) -> Response:
        """Run `what` in a thread: the store hashes files and waits for its lock.

        Raises UnknownRoute, Unchangeable or DeadlineExceeded.
        """
        name = request.path["name"]

        def run() -> BaseModel:
            if name not in (names := self._store.names()):
                meant = did_you_mean(name, names) or "."
                raise UnknownRoute(f"the store has no model {name[:100]}. It has: {', '.join(names)}{meant}")
            done = what(name)
            if isinstance(done, Changed):  # logged here: the client may have its 504 before the change is made
                who = f"requested with the key {request.key}"
                logger.warning("%s of %s: %s -> %s, %s", done.alias, name, done.before, done.version, who)
            return done

        left = request.caller.deadline - time.monotonic()
        work = thread.submit(copy_context().run, run)
        asked = asyncio.wrap_future(work)
        with self._aside(request.caller.size):
            await asyncio.wait([asked], timeout=left if isfinite(left) else None)
        if not asked.done():
            asked.add_done_callback(partial(_log_failure, name))
            yet = "nothing will change" if work.cancel() else f"the change may still come: see GET /admin/models/{name[:100]}"
            raise DeadlineExceeded(f"another process holds the store's lock, or the disk is slow; {yet}.")
        try:
            done = asked.result()
        except BrokenVersion as error:
            raise Unchangeable(f"{error}.") from error
        except OSError as error:  # the disk is full, or the store is mounted read-only
            raise Unchangeable(f"the store cannot be written: {error.strerror or error}.") from error
        return Response(done.model_dump_json().encode())

    def _look(self, name: str) -> StoredModel:
        return StoredModel(model=name, versions=self._store.versions(name), aliases=self._store.aliases(name))

    def _named(self, name: str, alias: str) -> str | None:
        there = self._store.aliases(name).get(alias)
        return there.version if there else None


def _log_failure(name: str, late: "asyncio.Future[BaseModel]") -> None:
    """Log a failure after the client was answered 504."""
    if not late.cancelled() and (error := late.exception()) is not None:
        logger.error("the request for %s failed after its deadline: %s", name, error)


def _read(kind: type[Asked], body: bytes) -> Asked:
    """Raises NotJSON or InvalidRequest."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        fields = " and ".join(kind.model_fields)
        if fault["type"] == "json_invalid":
            received = f"something else: {fault['msg']}" if body else "an empty body"
            raise NotJSON(f"expected a JSON object with {fields}; received {received}.") from error
        where = ".".join(map(str, fault["loc"])) or "body"
        hint = " GET /admin/models/{name} lists the versions." if where == "version" else ""
        raise InvalidRequest(f"expected an object with {fields}; received an invalid {where}: {fault['msg']}.{hint}") from error
