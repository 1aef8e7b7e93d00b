"""Requests and answers of the routes for admins."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contract.aliases import NAME, PRODUCTION, Alias, check_name

AliasName = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"pattern": f"^{NAME}$"}, description="Default: production.")
]


class Promotion(BaseModel):
    """Body of `POST /admin/models/{name}/promote`."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[str, Field(max_length=100)]
    alias: AliasName = PRODUCTION


class Rollback(BaseModel):
    """Body of `POST /admin/models/{name}/rollback`."""

    model_config = ConfigDict(extra="forbid")

    alias: AliasName = PRODUCTION


class Changed(BaseModel):
    """The version that an alias names now, and the version before. The workers follow within a moment."""

    model: str
    alias: str
    version: str
    before: str | None


class StoredModel(BaseModel):
    """A model in the store: its versions, oldest first, and its aliases with their history."""

    model: str
    versions: list[str]
    aliases: dict[str, Alias]


class KeyInfo(BaseModel):
    """A key in the file of keys, without its digest."""

    name: str
    scopes: list[str]
    expires: datetime | None
    rate: float | None
    burst: int | None


class KeyList(BaseModel):
    keys: list[KeyInfo]
