"""What a document depends on: the models, the limits and the keys of a service."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from service.security.key_check import Guard
from service.versions.served_versions import ServedVersions


class Settings(Protocol):
    """Those of `service/settings.py` that show in a document."""

    @property
    def version(self) -> str: ...
    @property
    def max_rows(self) -> int: ...
    @property
    def max_items(self) -> int: ...
    @property
    def timeout_ms(self) -> int: ...
    @property
    def keys_file(self) -> Path | None: ...
    @property
    def open_metrics(self) -> bool: ...


class Facts(NamedTuple):
    served: Mapping[str, ServedVersions]  # by name
    version: str  # of the software
    max_rows: int
    max_items: int
    timeout_ms: int  # of a request that names none
    keys: bool = False
    admin: bool = False  # whether a key with the scope admin is valid: else there are no such routes
    open_metrics: bool = False

    @classmethod
    def of(cls, served: Mapping[str, ServedVersions], settings: Settings, guard: Guard) -> "Facts":
        """As it is now."""
        keys, admin = settings.keys_file is not None, guard.has("admin")
        limits = settings.max_rows, settings.max_items, settings.timeout_ms
        return cls({**served}, settings.version, *limits, keys, admin, settings.open_metrics)
