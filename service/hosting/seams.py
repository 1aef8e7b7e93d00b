"""Every place where this service replaces, or reaches into, a part of another library; and the check that it still fits.

`verify` runs once, before any worker starts; each worker looks at itself when it has started (`outermost.py`). A service that
does not fit its libraries ends with one line, rather than run without its limits.
"""

import ast
import asyncio
import inspect
import textwrap
from collections.abc import Callable, Iterable
from dis import get_instructions
from importlib.metadata import packages_distributions, version
from typing import Final, NamedTuple

import uvicorn.config
import uvicorn.server
from bentoml._internal.configuration.containers import BentoMLContainer
from circus.arbiter import Arbiter
from circus.process import Process
from circus.sockets import CircusSocket
from prometheus_client import Histogram, mmap_dict
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.hosting import swagger_ui
from service.http.uvicorn_cycle import StandIn

PROTOCOL: Final = (
    *("access_log", "app", "connections", "cycle", "expect_100_continue", "flow", "headers", "loop", "parser", "pipeline"),
    *("server_state", "timeout_keep_alive", "transport", "url", "on_body", "on_header", "on_headers_complete"),
    *("on_message_begin", "on_message_complete", "on_response_complete", "on_url", "pause_writing", "resume_writing"),
    *("timeout_keep_alive_handler", "_start_asgi_task"),
)
"""What `connection/protocol.py` uses of uvicorn's protocol."""
CYCLE: Final = (
    *("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started"),
    "waiting_for_100_continue",
)


class Seam(NamedTuple):
    library: str  # as it is called in the package index
    what: str
    why: str
    gain: str  # measured; or what is impossible without it
    missing: Callable[[], Iterable[str]]  # names that the library no longer has


class DoesNotFit(SystemExit):
    """The message says which library has changed."""


def _without(names: Iterable[str], known: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(known))


def _names(kind: type) -> set[str]:
    """All attributes of a class, and those that its methods set."""
    functions = filter(inspect.isfunction, vars(kind).values())
    stored = (step.argval for function in functions for step in get_instructions(function) if step.opname == "STORE_ATTR")
    return {*dir(kind), *stored}


def _cycle() -> list[str]:
    """Of both sides: what stand-ins set and uvicorn's cycle lacks, and what uvicorn's protocol reads and a stand-in lacks."""
    read = set()
    for function in filter(inspect.isfunction, vars(HttpToolsProtocol).values()):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "cycle":
                read.add(node.attr)
    return [*_without(CYCLE, _names(RequestResponseCycle)), *_without(read, dir(StandIn))]


SEAMS: Final = (
    Seam(
        "uvicorn",
        "`Config` is replaced (`hosting/uvicorn_config.py`)",
        "BentoML passes on few options",
        "limits, TLS, common headers",
        lambda: _without(
            ("http", "headers", "lifespan", "ssl_context_factory"), inspect.signature(uvicorn.config.Config).parameters
        ),
    ),
    Seam(
        "uvicorn",
        "`Server` is replaced (`hosting/accepting.py`)",
        "it accepts one connection a turn",
        "7,600 new connections/s, not 3,000",
        lambda: _without(
            ("startup", "shutdown", "handle_exit", "capture_signals", "_captured_signals"), _names(uvicorn.server.Server)
        ),
    ),
    Seam(
        "uvicorn",
        "`HttpToolsProtocol` is extended (`connection/protocol.py`)",
        "it has no limits",
        "limits; 1.05 times the requests/s",
        lambda: _without(PROTOCOL, _names(HttpToolsProtocol)),
    ),
    Seam(
        "uvicorn",
        "the request cycle has stand-ins (`http/uvicorn_cycle.py`)",
        "no scope, task or messages",
        "1.4 times the requests/s with one connection",
        _cycle,
    ),
    Seam(
        "uvicorn",
        "`STATUS_LINE` is read (`http/messages.py`)",
        "answers that pass no ASGI",
        "the same bytes on both ways",
        lambda: _without(("STATUS_LINE",), dir(httptools_impl)),
    ),
    Seam(
        "bentoml",
        "layers go around its stack (`hosting/outermost.py`)",
        "its hook adds layers inside its own",
        "28,900 requests/s, not 10,750",
        lambda: (),  # a worker looks when it has started
    ),
    Seam(
        "bentoml",
        "SIGTERM is handled first (`hosting/draining.py`)",
        "a worker stops listening at once",
        "no request is lost",
        lambda: (),  # a worker looks when it has started
    ),
    Seam(
        "bentoml",
        "its address is read (`app.py`, `hosting/uvicorn_config.py`)",
        "BentoML does not tell it",
        "not exposed by mistake",
        lambda: () if hasattr(BentoMLContainer.http, "host") else ("http.host",),
    ),
    Seam(
        "bentoml",
        "its Swagger UI is served (`hosting/swagger_ui.py`)",
        "its page asks foreign hosts",
        "1.6 MB less in this project",
        swagger_ui.missing,
    ),
    Seam(
        "circus",
        "`Arbiter.start` and `Process.status` (`hosting/supervisor.py`)",
        "it looks every ten seconds",
        "a new worker at once, not after 5 s",
        lambda: _without(("start", "iter_watchers", "manage_watchers", "status"), {*dir(Arbiter), *vars(Process)}),
    ),
    Seam(
        "circus",
        "its sockets do not listen (`hosting/listening.py`)",
        "it listens before a worker can answer",
        "a connection is refused, not left waiting",
        lambda: _without(("listen",), CircusSocket.bind_and_listen.__code__.co_names),
    ),
    Seam(
        "prometheus_client",
        "counts are written together (`telemetry/metrics.py`)",
        "each takes a lock and a write",
        "saves an eighth of a single request",
        lambda: _without(("_sum", "_buckets", "_upper_bounds", "_INITIAL_MMAP_SIZE"), {*_names(Histogram), *dir(mmap_dict)}),
    ),
    Seam(
        "asyncio",
        "a coroutine runs without a task (`http/scheduling.py`)",
        "a task starts a turn later",
        "3 us a request",
        lambda: _without(("_asyncio_future_blocking",), dir(asyncio.Future)),
    ),
)


def verify(seams: Iterable[Seam] = SEAMS) -> None:
    """Raises DoesNotFit."""
    for seam in seams:
        if missing := list(seam.missing()):
            packages = packages_distributions().get(seam.library, [])
            installed = " ".join([seam.library, *map(version, packages)])
            raise DoesNotFit(f"unroll does not fit {installed}, which lacks {', '.join(missing)}: {seam.what}.")
