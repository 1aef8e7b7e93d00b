"""For whoever has a key with the scope admin: what is in the store, promote, roll back, which keys there are.

These routes do not exist until such a key does (`service/guard.py`). The store is changed; the service follows it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from contract.store import BrokenVersion, ModelStore
from service.errors import InvalidRequest, NotJSON, Unchangeable, UnknownRoute
from service.guard import Guard
from service.protocols.native import render_error
from service.routes import Request, Response, Route
from service.schemas import Changed, KeyInfo, KeyList, Promotion, Rollback, StoredModel

logger = logging.getLogger(__name__)
Asked = TypeVar("Asked", bound=BaseModel)
FIELDS: Final = ("name", "expires", "rate", "burst")


class Admin:
    def __init__(self, store: ModelStore, guard: Guard) -> None:
        self._store, self._guard = store, guard

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/admin/models/{name}", "GET", self._stored, render_error, "admin"),
            Route("/admin/models/{name}/promote", "POST", self._promote, render_error, "admin"),
            Route("/admin/models/{name}/rollback", "POST", self._roll_back, render_error, "admin"),
            Route("/admin/keys", "GET", self._keys, render_error, "admin"),
        ]

    async def _stored(self, request: Request) -> Response:
        return await self._done(request, self._look)

    async def _promote(self, request: Request) -> Response:
        asked = _read(Promotion, request.body)

        def promote(name: str) -> Changed:
            before = self._named(name, asked.alias)
            self._store.promote(name, asked.alias, asked.version)
            return Changed(model=name, alias=asked.alias, version=asked.version, before=before)

        return await self._done(request, promote)

    async def _roll_back(self, request: Request) -> Response:
        asked = _read(Rollback, request.body)

        def roll_back(name: str) -> Changed:
            before = self._named(name, asked.alias)
            return Changed(model=name, alias=asked.alias, version=self._store.rollback(name, asked.alias), before=before)

        return await self._done(request, roll_back)

    async def _keys(self, _request: Request) -> Response:
        keys = [KeyInfo(**key.model_dump(include=set(FIELDS)), scopes=sorted(key.scopes)) for key in self._guard.keys]
        return Response(KeyList(keys=keys).model_dump_json().encode())

    async def _done(self, request: Request, what: Callable[[str], BaseModel]) -> Response:
        """Beside the event loop: the store hashes files, and waits for its lock."""
        name = request.path["name"]

        def run() -> BaseModel:
            if name not in (names := self._store.names()):
                raise UnknownRoute(f"no model {name[:100]} is in the store. There is: {', '.join(names)}.")
            return what(name)

        try:
            done = await asyncio.to_thread(run)
        except BrokenVersion as error:
            raise Unchangeable(f"{error}.") from error
        except OSError as error:  # a full disk, or a store that is mounted to be read only
            raise Unchangeable(f"the store cannot be written: {error.strerror or error}.") from error
        if isinstance(done, Changed):
            logger.warning(
                "%s of %s: %s -> %s, asked for with the key %s", done.alias, name, done.before, done.version, request.key
            )
        return Response(done.model_dump_json().encode())

    def _look(self, name: str) -> StoredModel:
        return StoredModel(model=name, versions=self._store.versions(name), aliases=self._store.aliases(name))

    def _named(self, name: str, alias: str) -> str | None:
        there = self._store.aliases(name).get(alias)
        return there.version if there else None


def _read(kind: type[Asked], body: bytes) -> Asked:
    """Raises NotJSON or InvalidRequest."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        fields = " and ".join(kind.model_fields)
        if fault["type"] == "json_invalid":
            raise NotJSON(f"expected a JSON object with {fields}; received something else: {fault['msg']}.") from error
        where = ".".join(map(str, fault["loc"])) or "the body"
        raise InvalidRequest(
            f"expected an object with {fields}; received {where} that does not fit: {fault['msg']}."
        ) from error
