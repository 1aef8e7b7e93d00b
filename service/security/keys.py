"""API keys: reads the file of keys, and makes a new key for it.

    unroll keys new alice --scope predict --days 90 --rate 100 >> keys.jsonl

prints the key once, to standard error, and the line for the file to standard output. Each line is a JSON object:

    {"name":"alice","sha256":"<64 digits>","scopes":["predict"],"expires":"2027-01-01T00:00:00Z","rate":100,"burst":200}

`expires`, `rate` (requests a second) and `burst` (requests at once) are optional. Several lines may have the same name: so a
key is rotated. The file holds no key, only SHA-256 digests. No salt is needed, because a key is 256 random bits.
"""

import hashlib
import json
import math
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Final, Literal, get_args

import click
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

Scope = Literal["predict", "admin", "metrics"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
Needed = Literal[Scope, "read"]
"""What a route needs: a scope, or any scope that may read models."""


def needed(method: str, scope: Scope | None) -> Needed | None:
    """What opens a route; None: it needs no key."""
    return "read" if (method, scope) == ("GET", "predict") else scope


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
            raise KeysUnreadable(f"line {number} is a key itself: store the line that `unroll keys new` prints")
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def keys() -> None:
    """Make API keys for the clients of a service.

    \b
    Example:
      unroll keys new alice --days 90 --rate 100 >> keys.jsonl
    """


@keys.command("new")
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, help="Repeatable. Default: predict.")
@click.option("--days", type=float, help="Days until it expires. Default: never.")
@click.option("--rate", type=float, help="Requests a second. Default: no limit.")
@click.option("--burst", type=int, help="Requests at once. Default: the requests of one second.")
def new_command(name: str, scopes: tuple[Scope, ...], days: float | None, rate: float | None, burst: int | None) -> None:
    """Make a key.

    It prints the key to standard error, and the key's line for the file of keys to standard output. NAME is the owner of the
    key, which appears in logs. UNROLL_KEYS_FILE names the file; a service rereads it by itself.

    \b
    Examples:
      unroll keys new alice --days 90 --rate 100 >> keys.jsonl
      unroll keys new operator --scope admin --scope metrics >> keys.jsonl
    """
    try:
        key, kept = new(name, scopes or ("predict",), days, rate, burst)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise click.UsageError(f"{where}: {fault['msg']}; received {fault['input']!r}") from None
    except (OverflowError, ValueError):  # the date is out of range
        raise click.UsageError(f"days: expected a number of days before the year 10000; received {days}") from None
    click.echo(f"The key, shown only once: {key}", err=True)
    click.echo(line(kept))


if __name__ == "__main__":
    keys(prog_name="python -m service.security.keys")
