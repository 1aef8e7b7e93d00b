"""How uvicorn listens: what BentoML 1.4 has no option for, and who may be let in without a key.

BentoML's worker makes uvicorn's `Config` itself and passes on certificates and two timeouts, nothing else. It is handed ours
instead, which adds to what BentoML says: the limits of `connections.py`, the TLS of `tls.py`, headers for every answer. So is
it with uvicorn's `Server`, for how it accepts (`accepting.py`).
A test with a real service (tests/e2e/security) fails when a BentoML to come no longer asks here.
"""

import ipaddress
import os
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from service.accepting import Server
from service.connections import Connection
from service.tls import Certificates

HEADERS: Final = [("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
"""On every answer, BentoML's and uvicorn's own included. Each costs half a microsecond, so none that only pages need."""
HTTPS_HEADERS: Final = [*HEADERS, ("strict-transport-security", "max-age=31536000")]


def check_exposure(host: str, keys: bool, allow_open: bool) -> None:
    """Exits where others than this machine can reach a service that lets everybody in, and nobody said that this is meant.

    `host` is an address, or the path of a socket; empty where it is not known.
    """
    if keys or allow_open or host.startswith("/"):
        return
    try:
        if host and ipaddress.ip_address(host.partition("%")[0]).is_loopback:
            return
    except ValueError:  # a name, which BentoML refuses in its own words
        return
    raise SystemExit(
        f"{host or 'An unknown address'} can be reached from other machines, and there are no keys. Name a file of keys with "
        "UNROLL_KEYS_FILE (python -m service.keys new NAME makes one), or let everybody in with UNROLL_ALLOW_OPEN=true, "
        "or listen on 127.0.0.1."
    )


def listen(
    http: Callable[..., Connection],
    idle_seconds: int,
    most_connections: int,
    ssl_context: Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext],
    check: Callable[[str], None],
) -> None:
    """Have BentoML's worker, which goes on to make a `uvicorn.Config`, make one with these, and a `Server` of ours with it.
    `check` is told the address.
    """

    def config(*arguments: Any, **options: Any) -> uvicorn.Config:
        check(_address())
        tls = options.get("ssl_certfile") is not None
        options |= {
            "http": http,
            "timeout_keep_alive": idle_seconds,
            "ws": "none",
            "headers": HTTPS_HEADERS if tls else HEADERS,
            "proxy_headers": False,  # no route of ours asks who a client behind a proxy is
        }
        if tls:
            options["ssl_context_factory"] = ssl_context
        return _uvicorns(*arguments, **options)

    uvicorn.Config = config  # type: ignore[misc,assignment]
    uvicorn.Server = partial(Server, most_connections=most_connections)  # type: ignore[misc,assignment]


def tls_options(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """For BentoML's `ssl`. Raises Unusable when there are files and they cannot be used."""
    if certificate is None or key is None:
        return {"enabled": False}
    Certificates(certificate, key)  # before any worker tries
    return {"enabled": True, "certfile": str(certificate), "keyfile": str(key)}


_uvicorns: Final = uvicorn.Config


def _address() -> str:
    """What this worker listens on: BentoML hands it a socket by its number. Empty, where it no longer does."""
    try:
        descriptor = int(sys.argv[sys.argv.index("--fd") + 1])
    except (ValueError, IndexError):
        return ""
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        name = listener.getsockname()
    return str(name[0]) if isinstance(name, tuple) else str(name) or "/"
