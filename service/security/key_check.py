"""Admits requests by their API key: its scope, its expiry, its rate. Without a file of keys every request is admitted.

A key is looked up by its SHA-256 digest, so that the time of the lookup tells nothing about a guessed key.
"""

import hmac
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from service.errors import ExpiredKey, MissingKey, RateLimited, UnrollError, WrongKey, WrongScope
from service.security.key_rates import KeyRates
from service.security.keys import Key, KeysUnreadable, Needed, Scope, digest, parse
from service.security.reloaded_files import ReloadedFiles, Unusable

OPEN: Final = frozenset({"/livez", "/readyz", "/healthz"})
"""Routes for orchestrators, which have no key. They answer only yes or no."""
LONGEST: Final = 512
"""A longer key is refused. Our keys have 50 bytes."""
_NEW: Final = "Ask the operator for another: unroll keys new NAME --scope"
REALM: Final = 'Bearer realm="unroll"'
INVALID: Final = 'error="invalid_token"'
_ELSEWHERE: Final = {  # headers in which clients send a key by mistake; a key itself is never shown
    b"authorization": "authorization without the word Bearer",
    b"api-key": "the header api-key",
    b"apikey": "the header apikey",
    b"x-key": "the header x-key",
    b"x-auth-token": "the header x-auth-token",
    b"token": "the header token",
}
ADMITTED: Final[Mapping[Needed, frozenset[Scope]]] = {
    "predict": frozenset({"predict"}),
    "read": frozenset({"predict", "admin"}),
    "admin": frozenset({"admin"}),
    "metrics": frozenset({"metrics"}),
}
"""Which scopes open what. `admin` reads what `predict` reads, because an operator looks at a version before promoting it."""


class KnownKeys(NamedTuple):
    """The keys in the file, as it was last read."""

    keys: Mapping[bytes, Key]  # by digest
    admin_until: float  # seconds since the epoch; until then at least one admin key is valid


class Guard:
    """`file` None: no keys, every request is admitted. Raises Unusable if the file cannot be used now."""

    def __init__(
        self, file: Path | None, rates: KeyRates, open_metrics: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        make = f". UNROLL_KEYS_FILE names it. Make it with: unroll keys new NAME >> {file}"
        self._file = None if file is None else ReloadedFiles("keys", [file], _known, make)
        self._rates, self._open_metrics, self._clock = rates, open_metrics, clock

    def start(self, seconds: float) -> None:
        """Start to reload the file when it changes, looking every `seconds`."""
        if self._file is not None:
            self._file.start(seconds)

    def look(self) -> None:
        """Reload the file if it has changed."""
        if self._file is not None:
            self._file.look()

    @property
    def keys(self) -> list[Key]:
        return [] if self._file is None else list(self._file.current.keys.values())

    def has(self, scope: Scope | None) -> bool:
        """Whether routes of this scope exist. Admin routes exist only while an admin key is valid."""
        return scope != "admin" or (self._file is not None and self._clock() < self._file.current.admin_until)

    def admit(self, headers: Mapping[bytes, bytes], needed: Needed | None) -> str | None:
        """The name of the key that admits a request; None if no key is needed, as where `needed` is None.

        Raises MissingKey, WrongKey, ExpiredKey, WrongScope or RateLimited.
        """
        if self._file is None or needed is None:
            return None
        stated = _stated(headers)
        given = digest(stated[:LONGEST])
        key = self._file.current.keys.get(given)
        if key is None or len(stated) > LONGEST or not hmac.compare_digest(key.digest, given):
            hint = "Was it revoked? Was it copied completely? A key has 50 characters."
            raise _refused(WrongKey, f"a known key; received an unknown one. {hint}", INVALID)
        if self._clock() >= key.ends:
            detail = f"a valid key; received one that expired at {key.expires}."
            raise _refused(ExpiredKey, f"{detail} {_NEW} {' --scope '.join(sorted(key.scopes))}", INVALID)
        if key.scopes.isdisjoint(admitted := ADMITTED[needed]):
            scopes = " or ".join(sorted(admitted, reverse=True))
            detail = f"a key with the scope {scopes}; received the key {key.name} with {', '.join(sorted(key.scopes))}."
            least = scopes.split()[0]
            raise _refused(WrongScope, f"{detail} {_NEW} {least}", f'error="insufficient_scope", scope="{least}"')
        if wait := self._rates.take(key):
            most = f"at most {key.rate:g} requests a second with the key {key.name}, {key.most_at_once} at once"
            detail = f"expected {most}; received more. Ask again after {math.ceil(wait * 1e3)} ms."
            headers_out = {"retry-after": str(math.ceil(wait))}  # the header takes whole seconds only
            raise RateLimited(detail, headers=headers_out, reason="rate", retry_after_ms=math.ceil(wait * 1e3))
        return key.name

    def refusal(self, path: str, headers: Mapping[bytes, bytes]) -> UnrollError | None:
        """Why a request for one of BentoML's own routes is refused; None if it is admitted."""
        if path in OPEN or (path == "/metrics" and self._open_metrics):
            return None
        try:
            self.admit(headers, "metrics" if path == "/metrics" else "read")
        except UnrollError as error:
            return error
        return None


def _known(contents: list[bytes]) -> KnownKeys:
    try:
        keys = parse(contents[0].decode())
    except UnicodeDecodeError:
        raise Unusable("the file of keys is not text") from None
    except KeysUnreadable as error:
        raise Unusable(f"the file of keys, {error}. Each line is one that this prints: unroll keys new NAME") from error
    return KnownKeys(keys, max((key.ends for key in keys.values() if "admin" in key.scopes), default=0.0))


def _stated(headers: Mapping[bytes, bytes]) -> bytes:
    """The key in the request's headers. Raises MissingKey."""
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    if (key := headers.get(b"x-api-key")) is not None:
        return key.strip()
    received = next((said for header, said in _ELSEWHERE.items() if header in headers), "none")
    detail = f"expected a key, in the header authorization: Bearer <key> or x-api-key: <key>; received {received}."
    raise MissingKey(f"{detail} Type: curl -H 'authorization: Bearer KEY' ...", headers={"www-authenticate": REALM})


def _refused(kind: type[UnrollError], expected: str, challenge: str) -> UnrollError:
    return kind(f"expected {expected}", headers={"www-authenticate": f"{REALM}, {challenge}"})
