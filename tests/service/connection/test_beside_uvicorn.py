"""Five thousand raw requests, to uvicorn's own protocol and to ours, with the same application behind both.

Ours never answers with a fault, answers each body with itself and in order, and differs from uvicorn in these classes only:

- refused: the head breaks a rule of RFC 9112 that uvicorn does not check. Ours ends with 400, 501 or 505.
- 100: uvicorn tells a client of HTTP/1.0 to continue, which such a client does not understand.
- upgrade: uvicorn takes the body behind the offer of an upgrade for a request.
- order: uvicorn answers a malformed request before the earlier ones whose answers are still being made, and drops those.
"""

import asyncio
import random
import re
import socket
from collections import Counter
from functools import partial
from typing import Any, NamedTuple

import uvicorn
import uvloop
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.connection.protocol import Connection
from service.connection.shared import Shared
from service.connection.stalling import UnreadAnswers
from service.http.head_rules import HeadRules
from service.http.messages import Request, Response
from service.http.routes import Route
from service.overload.admission import Admission
from service.protocols.problem import render_error
from tests.service.asgi import LIMITS, untraced
from tests.service.wire import LIMITS as OF_CONNECTIONS

CASES = 5000
TURNS = 30  # of the loop, in which all that can be answered is
LINES = (
    *(b"GET /echo HTTP/1.1", b"PUT /echo HTTP/1.1", b"POST /nothing HTTP/1.1", b"POST /echo?a=b HTTP/1.1"),
    b"POST /echo HTTP/1.0\r\nexpect: 100-continue",
    *(b"POST /echo HTTP/1.0", b"POST /echo HTTP/0.9", b"POST /echo", b"POST /echo HTTP/2.0", b"POST /echo HTTP/3.0"),
    *(b"PRI * HTTP/2.0", b"OPTIONS * RTSP/1.0", b"POST /echo RTSP/1.1", b"DESCRIBE rtsp://x/ RTSP/1.0", b"SOURCE / ICE/1.0"),
    *(b"\x16\x03\x01\x02\x00\x01\x00", b"POST  /echo  HTTP/1.1", b"POST http://x/echo HTTP/1.1", b"CONNECT x:1 HTTP/1.1"),
    *(
        b"post /echo HTTP/1.1",
        b"POST echo HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"POST /echo HTTP/1.1 ",
        b"\r\nPOST /echo HTTP/1.1",
    ),
)
HOSTS = (
    *((), (b"x", b"x"), (b"x", b"y"), (b"",), (b"a b",), (b"a/b",), (b"u@x",), (b"x:port",), (b"[::1",), (b"[x]",), (b"x,y",)),
    *((b"x:3000",), (b"[::1]:3000",), (b"127.0.0.1",), (b"X.Example.",), (b" x\t",), (b"a_b",), (b"\xff",), (b"x:",)),
)
CODINGS = (
    *(b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity", b"", b"xchunked", b"chunked\r\ntransfer-encoding: chunked"),
    *(b"Chunked", b"CHUNKED ", b"\tchunked", b"chunked;q=1", b"chunked\r\ncontent-length: 3", b"\x0bchunked", b"chunked,"),
)
LENGTHS = (
    b"03",
    b"+3",
    b"3, 3",
    b"3\r\ncontent-length: 3",
    b"3\r\ncontent-length: 4",
    b"-3",
    b"0x3",
    b"",
    b"9" * 30,
    b"3 ",
    b"2",
)
MORE = (
    *(b"expect: 100-continue", b"connection: close", b"connection: keep-alive", b"a : b", b" a: b", b": b", b"a: b\x00", b"a"),
    *(
        b"connection: upgrade\r\nupgrade: h2c",
        b"origin: http://a",
        b"a: b\r\n c",
        b"a: b\nc: d",
        b"x-request-id: \xff",
        b"cseq: 1",
    ),
)
Answers = list[tuple[int, bytes]]


class Case(NamedTuple):
    raw: bytes
    bodies: list[bytes]  # of its requests
    cuts: list[int]
    mangled: bool  # its framing may be another than was meant


def case(dice: random.Random) -> Case:
    requests, bodies = [], []
    for _ in range(dice.randrange(1, 4)):
        bodies.append(b"%03d" % dice.randrange(1000))
        requests.append(request(dice, bodies[-1]))
    raw = bytearray(b"".join(requests))
    mangled = dice.random() < 0.25
    if mangled:
        at, other = dice.randrange(len(raw)), dice.choice((b"", b"\r", b"\n", b" ", b"\x00", b":", b"\xff", b"0", b"\r\n"))
        raw[at : at + dice.randrange(2)] = other
    cuts = sorted(dice.sample(range(1, len(raw)), k=dice.choice((0, 0, 1, 3))))
    mangled |= re.search(rb"(?i)content-length: (?!3\r\n)", raw) is not None
    return Case(bytes(raw), bodies, cuts, mangled)


def request(dice: random.Random, body: bytes) -> bytes:
    """One that is right, but for one thing, or none, or two."""
    hosts: tuple[bytes, ...] = (b"x",)
    line, framing, more = b"POST /echo HTTP/1.1", b"content-length: 3", b""
    content, chunked = body, b"3\r\n%b\r\n0\r\n\r\n" % body
    if dice.random() < 0.3:
        framing, content = b"transfer-encoding: chunked", chunked
    for what in dice.choices(("", "line", "hosts", "coding", "length", "more"), weights=(3, 1, 2, 1, 1, 2), k=2):
        match what:
            case "line":
                line = dice.choice(LINES)
            case "hosts":
                hosts = dice.choice(HOSTS)
            case "coding":
                framing, content = b"transfer-encoding: " + dice.choice(CODINGS), chunked
            case "length":
                framing, content = b"content-length: " + dice.choice(LENGTHS), body
            case "more":
                more = dice.choice(MORE) + b"\r\n"
    head = [*(b"host: %b\r\n" % host for host in hosts), framing + b"\r\n", more]
    dice.shuffle(head)
    return b"%b\r\n%b\r\n%b" % (line, b"".join(head), content)


def rules_broken(raw: bytes) -> set[int]:
    """What a strict reader of RFC 9112 may answer to these requests beside uvicorn's answer: by plain text, not by a parser."""
    found = set[int]()
    for head in re.split(rb"(?<=\r\n\r\n)", raw):
        hosts = re.findall(rb"(?im)^host:[ \t]*([^\r\n]*?)[ \t]*\r?$", head)
        if len(hosts) != 1 or not re.fullmatch(rb"([\w.%~!$&'()*+,;=-]+|\[[0-9a-f:.]+\])(:\d*)?", hosts[0]):
            found.add(400)
        codings = re.findall(rb"(?im)^transfer-encoding:[ \t]*([^\r\n]*?)[ \t]*\r?$", head)
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            found.add(501)
        if codings and b" HTTP/1.0" in head:
            found.add(400)
        if re.search(rb" RTSP/| ICE/|(?i:^cseq:)|rtsp:", head, re.MULTILINE):
            found.add(400)
        if re.search(rb"[A-Z]{3,} +[^ \r\n]+(\r?\n| +HTTP/(?!1\.[01]\s))", head):
            found.add(505)
    return found


def answers(stream: bytes) -> Answers:
    found: Answers = []
    while stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length else 0
        found.append((int(head.split()[1]), rest[:size]))
        stream = rest[size:]
    return found


class Beside:
    """Both protocols, on the loop that runs."""

    def __init__(self) -> None:
        transport = untraced(LIMITS, Admission(10_000_000, 10.0))
        transport.add(Route("/echo", "POST", self._echo, render_error))
        app = transport.around(Starlette(), [])
        shared = Shared(
            OF_CONNECTIONS._replace(connections=10**6), HeadRules(), UnreadAnswers(2**30), render_error, None, transport
        )
        self.state = ServerState()
        kinds: tuple[Any, ...] = HttpToolsProtocol, partial(Connection, shared)
        configs = [uvicorn.Config(app, http=kind, ws="none", access_log=False, log_level="critical") for kind in kinds]
        for config in configs:
            config.load()
        self.makers: list[Any] = [
            partial(kind, config=config, server_state=self.state, app_state={})
            for kind, config in zip(kinds, configs, strict=True)
        ]

    async def _echo(self, request: Request) -> Response:
        return Response(request.body)

    async def ask(self, make: Any, case: Case) -> Answers:
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(make, theirs)
            for start, end in zip([0, *case.cuts], [*case.cuts, len(case.raw)], strict=True):
                try:
                    ours.send(case.raw[start:end])
                except BrokenPipeError:  # it has been refused and closed
                    break
                for _ in range(TURNS if end == len(case.raw) else 6):
                    await asyncio.sleep(0)
            stream = b""
            while True:
                try:
                    part = ours.recv(65_536)
                except (BlockingIOError, ConnectionResetError):
                    break
                if not part:
                    break
                stream += part
            transport.abort()
        return answers(stream)


def the_class(case: Case, theirs: Answers, ours: Answers) -> str:
    """Of the difference; what begins with ! may not be."""
    final = [each for each in ours if each[0] != 100]
    if [each for each in theirs if each[0] != 100] == final and b"HTTP/1.0" in case.raw:
        return "100"
    place = next(
        (at for at, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]), min(len(theirs), len(ours))
    )
    if b"upgrade" in case.raw:
        return "upgrade"
    broken = rules_broken(case.raw)
    if len(ours) == place + 1 and ours[place][0] in broken:
        return "refused"
    if len(ours) == place and place and broken:  # its refusal is the end of the connection, behind the earlier answers
        return "refused"
    if len(theirs) == place + 1 and theirs[place][0] == 400 and {status for status, _ in ours[place:]} <= {100, 200, 404, 405}:
        return "order"
    return "!"


def test_ours_is_as_uvicorns_or_stricter_or_righter() -> None:
    dice = random.Random(2026)
    classes, statuses = Counter[str](), Counter[int]()

    async def all_cases() -> None:
        beside = Beside()
        for _ in range(CASES):
            each = case(dice)
            theirs, ours = [await beside.ask(make, each) for make in beside.makers]
            statuses.update(status for status, _ in ours)
            assert all(status < 500 or status in rules_broken(each.raw) for status, _ in ours), (each, ours)
            echoed = [body for status, body in ours if status == 200]
            bodies = iter(each.bodies)
            assert each.mangled or all(body in bodies for body in echoed), (each, ours)  # in order
            plain = (
                [(status, body if status == 200 else b"") for status, body in theirs],
                [(status, body if status == 200 else b"") for status, body in ours],
            )
            if plain[0] != plain[1]:
                found = the_class(each, *plain)
                assert found != "!", (each, *plain, rules_broken(each.raw))
                classes[found] += 1

    uvloop.run(all_cases())
    assert set(classes) == {"refused", "100", "upgrade", "order"}
    assert {100, 200, 400, 404, 405, 501, 505} == set(statuses)
