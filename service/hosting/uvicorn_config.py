"""How uvicorn listens: options that BentoML 1.4 does not pass on, and the addresses that need no keys.

BentoML's worker makes uvicorn's `Config` and `Server` itself and passes on certificates and two timeouts, nothing else. Both
classes are replaced: the new `Config` adds the limits of `connection/protocol.py`, the TLS of `security/tls.py` and the headers
of every answer; the new `Server` accepts connections faster (`accepting.py`).
"""

import errno
import ipaddress
import os
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psutil  # type: ignore[import-untyped]
import uvicorn

from contract.hints import typed
from service.connection.protocol import Connection
from service.hosting.accepting import Server
from service.hosting.listening import Listeners
from service.http.head_rules import is_loopback

HEADERS: Final = [("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
"""Headers of every answer, BentoML's and uvicorn's own included. Each costs half a microsecond: none is for pages only."""
HTTPS_HEADERS: Final = [*HEADERS, ("strict-transport-security", "max-age=31536000")]


def check_exposure(host: str, keys: bool, allow_open: bool) -> None:
    """Exits where other machines can reach a service without keys, unless `allow_open` says that this is meant.

    `host`: an address, or the path of a socket; empty if it is not known.
    """
    if keys or allow_open or host.startswith("/"):
        return
    if host and is_loopback(host) is not False:  # BentoML refuses a name in its own words
        return
    raise SystemExit(
        f"{host or 'An unknown address'} can be reached from other machines, and there are no keys. Name a file of keys with "
        f"UNROLL_KEYS_FILE (make one: {typed('keys new NAME >> keys.jsonl')}), or let everybody in with "
        "UNROLL_ALLOW_OPEN=true, or listen on 127.0.0.1."
    )


def check_port(host: str, port: int) -> None:
    """Exits with one line where the service cannot listen, as where another process holds the port."""
    if host.startswith("/"):
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise SystemExit(f"{host} is a name: expected an address of this machine with --host, such as 127.0.0.1.") from None
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SystemExit(
                    f"Port {port} of {host} is taken{_holder(port)}. End that process, or choose another port with --port."
                ) from error
            if error.errno == errno.EACCES:
                raise SystemExit(f"Port {port} needs rights that this user lacks. Choose one from 1024 with --port.") from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise SystemExit(f"{host} is no address of this machine. Choose another with --host.") from error
            raise


WORKER: Final = "_bentoml_impl.worker.service"
"""The module that BentoML's supervisor runs in each worker."""


def _holder(port: int) -> str:
    """The process that listens on a port, in words; empty where the system does not say."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                if WORKER in process.cmdline():
                    process = process.parent() or process  # the supervisor: it starts an ended worker anew
                return f" by process {process.pid} ({' '.join(process.cmdline())[:100].strip()})"
    return ""


def listen(
    http: Callable[..., Connection],
    idle_seconds: int,
    most_connections: int,
    ssl_context: Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext],
    check: Callable[[str], None],
    listeners: Listeners | None,
    ready: Callable[[object, bool], None],
) -> None:
    """Replace the classes of configuration and server that BentoML's worker uses.

    `check` is called with the address; `ready`, when the first worker listens, with the socket's name and whether TLS is on.
    """

    def config(*arguments: Any, **options: Any) -> uvicorn.Config:
        check(_address())
        tls = options.get("ssl_certfile") is not None
        options |= {
            "http": http,
            "timeout_keep_alive": idle_seconds,
            "ws": "none",
            "lifespan": "on",  # keys and limits are put in place in it: without it the worker ends
            "headers": HTTPS_HEADERS if tls else HEADERS,
            "proxy_headers": False,  # no route asks for the address behind a proxy
        }
        if tls:
            options["ssl_context_factory"] = ssl_context
        return _uvicorns(*arguments, **options)

    def server(config: uvicorn.Config) -> Server:
        return Server(config, most_connections, listeners, lambda name: ready(name, config.is_ssl))

    uvicorn.Config = config  # type: ignore[misc,assignment]
    uvicorn.Server = server  # type: ignore[misc,assignment]


_uvicorns: Final = uvicorn.Config


def _address() -> str:
    """The address of this worker: BentoML passes the number of a socket. Empty if it does not."""
    try:
        descriptor = int(sys.argv[sys.argv.index("--fd") + 1])
    except (ValueError, IndexError):
        return ""
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        name = listener.getsockname()
    return str(name[0]) if isinstance(name, tuple) else str(name) or "/"
