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
from prometheus_client import Histogram, mmap_dict
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.http.uvicorn_cycle import StandIn

PROTOCOL: Final = (
    *("access_log", "app", "connections", "cycle", "expect_100_continue", "flow", "headers", "loop", "parser", "pipeline"),
    *("server_state", "timeout_keep_alive", "transport", "url", "on_body", "on_header", "on_headers_complete"),
    *("on_message_begin", "on_message_complete", "on_response_complete", "on_url", "pause_writing", "resume_writing"),
    *("timeout_keep_alive_handler", "_start_asgi_task"),
)
"""What `connection/protocol.py` uses of uvicorn's protocol."""
CYCLE: Final = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started")


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
        "`Config`, made by BentoML's worker, is replaced (`hosting/uvicorn_config.py`)",
        "BentoML passes on certificates and two timeouts, nothing else",
        "limits, TLS 1.2 and later, headers of every answer",
        lambda: _without(
            ("http", "headers", "lifespan", "ssl_context_factory"), inspect.signature(uvicorn.config.Config).parameters
        ),
    ),
    Seam(
        "uvicorn",
        "`Server` is replaced (`hosting/accepting.py`)",
        "on uvloop it accepts one connection in each turn of the event loop",
        "16 clients that connect for each request: 7,600 answers/s instead of 3,000",
        lambda: _without(("startup", "shutdown", "handle_exit"), dir(uvicorn.server.Server)),
    ),
    Seam(
        "uvicorn",
        "`HttpToolsProtocol` is extended (`connection/protocol.py`)",
        "it limits neither headers nor stalled clients, and parses ten thousand pipelined requests at once",
        "limits; one timer instead of one for each request: 1.05 times the requests/s",
        lambda: _without(PROTOCOL, _names(HttpToolsProtocol)),
    ),
    Seam(
        "uvicorn",
        "the request cycle has stand-ins (`http/uvicorn_cycle.py`)",
        "a request that arrived whole needs no scope, task or ASGI messages",
        "1.4 times the requests/s at one connection",
        _cycle,
    ),
    Seam(
        "uvicorn",
        "`STATUS_LINE` is read (`http/messages.py`)",
        "answers that pass no ASGI are written as uvicorn writes them",
        "the same bytes on both ways",
        lambda: _without(("STATUS_LINE",), dir(httptools_impl)),
    ),
    Seam(
        "bentoml",
        "layers go around the application's whole stack (`hosting/outermost.py`)",
        "the public hook puts a middleware inside BentoML's own",
        "28,900 requests/s instead of 10,750",
        lambda: (),  # a worker looks when it has started
    ),
    Seam(
        "bentoml",
        "SIGTERM is handled before uvicorn handles it (`hosting/draining.py`)",
        "a worker stops listening at once, and stays ready until then",
        "no request is lost when a worker ends",
        lambda: (),  # a worker looks when it has started
    ),
    Seam(
        "bentoml",
        "the address is read from the container, and from a worker's `--fd` (`app.py`, `hosting/uvicorn_config.py`)",
        "BentoML does not tell a service what it listens on",
        "a service without keys is not exposed by mistake",
        lambda: () if hasattr(BentoMLContainer.http, "host") else ("http.host",),
    ),
    Seam(
        "circus",
        "`Arbiter.start` and `Process.status` are replaced (`hosting/supervisor.py`)",
        "it looks after its workers every ten seconds",
        "a killed worker is replaced at once, instead of after 5 s on average",
        lambda: _without(("start", "iter_watchers", "manage_watchers", "status"), {*dir(Arbiter), *vars(Process)}),
    ),
    Seam(
        "prometheus_client",
        "many values are observed with one write a bucket; files begin at 1 MB (`telemetry/metrics.py`)",
        "where workers share metrics, each count takes a lock and writes to a mapped file",
        "an eighth of the time of a request that runs alone",
        lambda: _without(("_sum", "_buckets", "_upper_bounds", "_INITIAL_MMAP_SIZE"), {*_names(Histogram), *dir(mmap_dict)}),
    ),
    Seam(
        "asyncio",
        "a coroutine runs without a task (`http/scheduling.py`)",
        "a task starts one turn of the event loop later",
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
