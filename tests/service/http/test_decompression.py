"""Compressed bodies, past ASGI and through it: what comes out, where it ends, and what it may cost."""

import asyncio
import gzip
import math
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from service.errors import DeadlineExceeded, NotDecodable, Overloaded
from service.http.body import BodyLimits
from service.http.decompression import MOST_MEMBERS, TURN_BYTES, Decompression
from service.http.messages import Request, Response
from service.http.routes import Route
from service.http.transport import Limits
from service.overload.admission import Admission, Ticket
from service.protocols.problem import render_error
from tests.service import wire
from tests.service.asgi import Client, untraced

Compress = Callable[[bytes], bytes]
COMPRESS: dict[str, Compress] = {"gzip": gzip.compress, "zstd": zstandard.compress}
EVERY = pytest.mark.parametrize("encoding", COMPRESS)
LIMITS = Limits(BodyLimits(1_000_000, seconds=30), timeout=10, most_timeout=60)


def decompress(body: bytes, encoding: str, most: int = 2**30, admission: Admission | None = None) -> bytes | Overloaded:
    """As the transport does it: the ticket holds the compressed body, and in the end nothing."""
    admission = admission or Admission(2**30, 10.0)
    with Ticket(admission) as ticket:
        assert ticket.hold(len(body)) is None
        out = asyncio.run(Decompression().run(body, encoding, BodyLimits(most, 30), ticket, math.inf))
        assert isinstance(out, Overloaded) or ticket.size == admission.waiting_bytes == len(out)
    assert admission.waiting_bytes == 0
    return out


@EVERY
@settings(deadline=None)
@given(content=st.binary(max_size=5 * TURN_BYTES) | st.binary(min_size=1, max_size=9).map(lambda part: part * 70_000))
def test_what_was_compressed_comes_out(encoding: str, content: bytes) -> None:
    assert decompress(COMPRESS[encoding](content), encoding) == content


@EVERY
def test_members_one_after_the_other_are_one_body(encoding: str) -> None:
    compress = COMPRESS[encoding]
    parts = [b"x" * size for size in (3, 0, TURN_BYTES, 0, 2 * TURN_BYTES, 1)]
    assert decompress(b"".join(map(compress, parts)), encoding) == b"".join(parts)
    assert decompress(compress(b"") * MOST_MEMBERS, encoding) == b""
    with pytest.raises(NotDecodable, match=r"more than 1000 members\. Compress the body as a whole"):
        decompress(compress(b"") * (MOST_MEMBERS + 1), encoding)


@EVERY
@pytest.mark.parametrize("size", [1, 1000, 3 * TURN_BYTES])
def test_a_body_that_is_cut_is_refused_wherever_it_is_cut(encoding: str, size: int) -> None:
    whole = COMPRESS[encoding](bytes(range(256)) * size)
    for end in {1, 4, len(whole) // 2, len(whole) - 1}:
        with pytest.raises(NotDecodable, match="ends too early"):
            decompress(whole[:end], encoding)
    assert decompress(b"", encoding) == b""  # whose protocol says what is missing


@EVERY
@pytest.mark.parametrize("behind", [b"{", b"\0", b"garbage behind it"])
def test_what_is_behind_a_body_is_refused(encoding: str, behind: bytes) -> None:
    with pytest.raises(NotDecodable):
        decompress(COMPRESS[encoding](b"right") + behind, encoding)


@EVERY
@settings(deadline=None)
@given(body=st.binary(min_size=1, max_size=200))
def test_any_bytes_are_decompressed_or_refused(encoding: str, body: bytes) -> None:
    with suppress(NotDecodable):
        assert isinstance(decompress(body, encoding), bytes)


@pytest.mark.parametrize(("encoding", "step"), [("gzip", TURN_BYTES), ("zstd", 2**22)])
def test_a_bomb_is_refused_at_the_limit_without_the_memory_of_what_it_is(encoding: str, step: int) -> None:
    """64 MB of zeros, in 65 kB of gzip or 2 kB of zstd. `step`: so much may come out at once."""
    most, packed = 2**20, COMPRESS[encoding](b"\0" * 2**26)
    ticket = Ticket(Admission(2**30, 10.0))
    tracemalloc.start()
    try:
        with pytest.raises(Exception, match=f"at most {most} bytes; received more, decompressed from {len(packed)}"):
            asyncio.run(Decompression().run(packed, encoding, BodyLimits(most, 30), ticket, math.inf))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most + step + 2**19


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = compressor.compress(b"x" * 100) + compressor.flush()
    with pytest.raises(NotDecodable, match="too much memory"):
        decompress(packed, "zstd")


@EVERY
def test_what_comes_out_counts_as_waiting(encoding: str) -> None:
    admission = Admission(300_000, 10.0)
    assert admission.hold(1) is None  # another request: the only one may have any size
    with Ticket(admission) as ticket:
        packed = COMPRESS[encoding](b"x" * 400_000)
        assert ticket.hold(len(packed)) is None
        refused = asyncio.run(Decompression().run(packed, encoding, LIMITS.body, ticket, math.inf))
        assert isinstance(refused, Overloaded)
        assert refused.extra["reason"] == "bytes"
    assert admission.waiting_bytes == 1


@EVERY
def test_a_small_body_that_is_compressed_does_not_pass_for_small_work(encoding: str) -> None:
    admission = Admission(2**30, 10.0)
    admission.full = True  # small requests are taken all the same
    assert Client(admission=admission).request("POST", "/echo", {"content-length": "1"}, [b"1"]).status == 200
    packed = COMPRESS[encoding](b"1")
    admission.full = True
    stated = {"content-length": str(len(packed)), "content-encoding": encoding}
    assert Client(admission=admission).request("POST", "/echo", stated, [packed]).status == 429
    admission.full = False
    assert Client(admission=admission).request("POST", "/echo", stated, [packed]).body == b"1"


@EVERY
def test_others_get_their_turns_and_large_bodies_wait_for_each_other(encoding: str) -> None:
    done: list[str] = []
    decompression, admission = Decompression(), Admission(2**30, 10.0)

    async def run(name: str, size: int) -> None:
        body = COMPRESS[encoding](Random(size).randbytes(size))
        await decompression.run(body, encoding, LIMITS.body, Ticket(admission).__enter__(), math.inf)
        done.append(name)

    async def all_of_them() -> None:
        await asyncio.gather(run("first", 15 * TURN_BYTES), run("second", 4 * TURN_BYTES), run("small", 100))

    asyncio.run(all_of_them())
    assert done == ["small", "first", "second"]


@EVERY
def test_a_body_whose_turn_comes_after_its_deadline_is_decompressed_no_further(encoding: str) -> None:
    decompression, admission = Decompression(), Admission(2**30, 10.0)
    body = COMPRESS[encoding](Random(1).randbytes(9 * TURN_BYTES))
    held: list[int] = []

    async def one(deadline: float) -> bytes | Overloaded:
        with Ticket(admission) as ticket:
            try:
                return await decompression.run(body, encoding, LIMITS.body, ticket, deadline)
            finally:
                held.append(ticket.size)

    async def all_of_them() -> list[Any]:
        await decompression._large.acquire()  # of a body before them
        late = [asyncio.create_task(one(time.monotonic())) for _ in range(3)]
        await asyncio.sleep(0)
        decompression._large.release()
        return await asyncio.gather(*late, one(math.inf), return_exceptions=True)

    *late, right = asyncio.run(all_of_them())
    assert [type(each) for each in late] == [DeadlineExceeded] * 3
    assert len(right) == 9 * TURN_BYTES
    assert max(held[:3]) < 3 * TURN_BYTES
    assert admission.waiting_bytes == 0


async def echo(request: Request) -> Response:
    return Response(b"%d %d" % (request.caller.size, zlib.crc32(request.body)))


@EVERY
@pytest.mark.parametrize("past_asgi", [True, False])
def test_both_ways_in_take_and_refuse_the_same(encoding: str, past_asgi: bool) -> None:
    transport = untraced(LIMITS, Admission(10_000_000, 10.0))
    transport.add(Route("/echo", "POST", echo, render_error))
    content = b"0.12345," * 50_000
    said = b"%d %d" % (len(content), zlib.crc32(content))
    packed = COMPRESS[encoding](content)
    too_large = COMPRESS[encoding](b"x" * (LIMITS.body.most_bytes + 1))

    async def client(connect: wire.Connect) -> None:
        reader, writer = await connect()
        for body, expected in ((packed, 200), (too_large, 413), (packed[:-1], 400), (content, 400), (packed, 200)):
            head = f"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await wire.answer(reader)
            assert answer.status == expected
            assert expected != 200 or answer.body == said

    wire.run(client, transport.around(Starlette(), []), direct=transport if past_asgi else None)


@pytest.mark.parametrize("stated", ["gzip", "x-gzip", "GZIP", " gzip "])
def test_an_encoding_has_the_names_that_rfc_9110_gives_it(stated: str) -> None:
    assert Client().request("POST", "/echo", {"content-encoding": stated}, [gzip.compress(b"1")]).body == b"1"
    assert Client().request("POST", "/echo", {"content-encoding": "identity"}, [b"1"]).body == b"1"


@pytest.mark.parametrize("stated", ["br", "deflate", "gzip, zstd", "gzip,gzip", "identity, gzip", "compress"])
def test_other_encodings_are_415_and_the_answer_lists_those_that_are_taken(stated: str) -> None:
    answer = Client().request("POST", "/echo", {"content-encoding": stated}, [b"1"])
    assert (answer.problem["type"], answer.status) == ("urn:unroll:error:wrong-content-encoding", 415)
    assert answer.headers[b"accept-encoding"] == b"gzip, zstd"
    assert answer.chunks_read == 0
