"""API keys: reads the file of keys, and makes a new key for it.

    python -m service.security.keys new alice --scope predict --days 90 --rate 100 >> keys.jsonl

prints the key once, to standard error, and the line for the file to standard output. Each line is a JSON object:

    {"name":"alice","sha256":"<64 digits>","scopes":["predict"],"expires":"2027-01-01T00:00:00Z","rate":100,"burst":200}

`expires`, `rate` (requests a second) and `burst` (requests at once) are optional. Several lines may have the same name: so a
key is rotated. The file holds no key, only SHA-256 digests. No salt is needed, because a key is 256 random bits.
"""

import argparse
import hashlib
import json
import math
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

Scope = Literal["predict", "admin", "metrics"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
Needed = Literal[Scope, "read"]
"""What a route needs: a scope, or any scope that may read models."""
PREFIX: Final = "unroll_"
"""Every key begins with it, so that scanners for leaked secrets find keys."""


class KeysUnreadable(Exception):
    """The file of keys cannot be used. The message says which line is wrong and why, without quoting it."""


class Key(BaseModel):
    """A line of the file. No scope implies another, but `admin` may read what `predict` may."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope] = Field(min_length=1)
    expires: AwareDatetime | None = None
    rate: float | None = Field(None, gt=0, allow_inf_nan=False, description="Requests a second, over all workers.")
    burst: int | None = Field(None, ge=1, description="Requests at once; default: the requests of one second.")

    @cached_property
    def digest(self) -> bytes:
        return bytes.fromhex(self.sha256)

    @cached_property
    def ends(self) -> float:
        """Seconds since the epoch."""
        return self.expires.timestamp() if self.expires else math.inf

    @cached_property
    def most_at_once(self) -> int:
        return self.burst or max(1, math.ceil(self.rate or 1))


def digest(key: bytes) -> bytes:
    """The digest that is kept of a key, 32 bytes."""
    return hashlib.sha256(key).digest()


def parse(text: str) -> dict[bytes, Key]:
    """Digest -> key, for every line except empty lines and comments (#). Raises KeysUnreadable."""
    keys: dict[bytes, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.lstrip().startswith(PREFIX):
            raise KeysUnreadable(
                f"line {number} is a key itself: store the line that `python -m service.security.keys new` prints"
            )
        try:
            key = Key.model_validate_json(line)
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "the line"
            raise KeysUnreadable(f"line {number}: {where}: {fault['msg']}") from None  # the cause would quote the line
        if key.digest in keys:
            raise KeysUnreadable(f"line {number} has the same key as an earlier line")
        keys[key.digest] = key
    return keys


def new(name: str, scopes: Sequence[Scope], days: float | None, rate: float | None, burst: int | None) -> tuple[str, Key]:
    """A new key, and the line to keep for it. Raises ValidationError."""
    key = PREFIX + secrets.token_urlsafe(32)
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    kept = digest(key.encode()).hex()
    return key, Key(name=name, sha256=kept, scopes=frozenset(scopes), expires=expires, rate=rate, burst=burst)


def line(key: Key) -> str:
    """The key as a line of the file."""
    fields = key.model_dump(mode="json", exclude_none=True) | {"scopes": sorted(key.scopes)}
    return json.dumps(fields, separators=(",", ":"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m service.security.keys", description="API keys of the service.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser(
        "new", help="print a new key to standard error and its line for UNROLL_KEYS_FILE to standard output"
    )
    command.add_argument("name", help="the owner of the key; it appears in logs")
    command.add_argument("--scope", action="append", choices=SCOPES, help="repeat it for several scopes; default: predict")
    command.add_argument("--days", type=float, help="days until it expires; default: never")
    command.add_argument("--rate", type=float, help="requests a second; default: no limit")
    command.add_argument("--burst", type=int, help="requests at once; default: the requests of one second")
    asked = parser.parse_args(arguments)
    try:
        key, kept = new(asked.name, asked.scope or ("predict",), asked.days, asked.rate, asked.burst)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        parser.error(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}; received {fault['input']!r}")
    except (OverflowError, ValueError):  # the date is out of range
        parser.error(f"days: expected a number of days before the year 10000; received {asked.days}")
    sys.stderr.write(f"The key, shown only once: {key}\n")
    sys.stdout.write(line(kept) + "\n")


if __name__ == "__main__":
    main()
