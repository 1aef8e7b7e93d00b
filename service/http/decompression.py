"""Decompresses a body with `content-encoding: gzip` or `zstd` (RFC 9110, 8.4), a little in each turn of the event loop.

The limit of bodies holds for what comes out: 32 kB of zstd can be 1 GB. Decompressing ends at the limit.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import zstandard

from service.errors import DeadlineExceeded, NotDecodable, Overloaded
from service.http.body import BodyLimits
from service.overload.admission import Ticket

TURN_BYTES: Final = 2**16
"""Most output in a turn of the event loop, in 0.2 to 0.7 ms. A body with more output waits for the large body before it."""
STEP_COST: Final = 2**10
"""The fixed cost of a step, as bytes of output that take as long."""
MOST_MEMBERS: Final = 1_000
"""A body may be several gzip members, or zstd frames, one after the other; each costs up to 50 us."""
WINDOW_BYTES: Final = 2**23
"""The largest window of zstd (RFC 9659). A frame could ask for 2 GB of memory."""


class _Encoding(NamedTuple):
    begin: Callable[[], Any]  # makes a decompressor for one member
    slice_bytes: int  # input of a step
    most: tuple[int, ...]  # most output of a step; empty: the decompressor has no such limit


_ENCODINGS: Final = {
    "gzip": _Encoding(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), 2**14, (TURN_BYTES,)),
    # zstd returns all output of a slice at once. 4 bytes can be a block of 128 kB, so a slice returns at most 4 MB. Two bodies
    # must not share a decompressor: they would share its state.
    "zstd": _Encoding(lambda: zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj(), 2**7, ()),
}


class Decompression:
    """Of all requests of a worker. Only one large body is decompressed at a time."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def run(self, body: bytes, encoding: str, limits: BodyLimits, ticket: Ticket, deadline: float) -> bytes | Overloaded:
        """The body decompressed, or why there is no room for it. The ticket counts what comes out in place of `body`.

        `deadline`: on the clock of time.monotonic(). Raises NotDecodable, BodyTooLarge or DeadlineExceeded.
        """
        parts, size, work, locked = list[bytes](), 0, 0, False
        try:
            for part in _parts(body, encoding):
                size += len(part)
                if size > limits.most_bytes:
                    raise limits.too_large(f"more, decompressed from {len(body)}")
                if (refusal := ticket.hold(len(part))) is not None:
                    return refusal
                parts.append(part)
                work += len(part) + STEP_COST
                if work < TURN_BYTES:
                    continue
                work = 0
                if locked:
                    await asyncio.sleep(0)
                else:
                    locked = await self._large.acquire()
                if time.monotonic() > deadline:
                    raise DeadlineExceeded("the deadline passed while the body was decompressed, or waited for other bodies.")
        finally:
            if locked:
                self._large.release()
        ticket.give_back(len(body))
        return b"".join(parts)


def _parts(body: bytes, encoding: str) -> Iterator[bytes]:
    """The decompressed body in parts, some of them empty. Raises NotDecodable."""
    begin, slice_bytes, most = _ENCODINGS[encoding]
    reader, members = begin(), 1
    for start in range(0, len(body), slice_bytes):
        data, part = body[start : start + slice_bytes], b""
        while data or (most and len(part) == most[0]):  # the second: more of the same input may come out
            if reader.eof:
                reader, members = begin(), members + 1
                if members > MOST_MEMBERS:
                    raise _wrong(encoding, f"more than {MOST_MEMBERS} members", "Compress the body as a whole.")
            try:
                part = reader.decompress(data, *most)
            except (zlib.error, zstandard.ZstdError) as error:
                raise _not_in(encoding, body, str(error)) from error
            yield part
            data = reader.unused_data if reader.eof else reader.unconsumed_tail
            if reader.eof:
                part = b""
    if body and not reader.eof:
        raise _wrong(encoding, "a part of it: the compressed data ends too early", "Was the body cut?")


def _not_in(encoding: str, body: bytes, said: str) -> NotDecodable:
    if body[:1] in (b"{", b"["):
        return _wrong(encoding, "JSON that is not compressed", "Leave the header content-encoding out, or compress the body.")
    return _wrong(encoding, f"something else: {said}", "Compress the body as a whole, with nothing behind it.")


def _wrong(encoding: str, received: str, hint: str) -> NotDecodable:
    return NotDecodable(f"expected a body in {encoding}, as content-encoding says; received {received}. {hint}")
