"""Pipelined requests: a client sends them before it has the answers to earlier ones. Few are parsed ahead of their turn.

uvicorn parses everything that a read brings, up to 256 kB at once: ten thousand requests of 24 bytes, which take 25 MB; and it
reads as much again after each answer.
"""

import asyncio
from collections.abc import Iterator, Sized
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

PIECE: Final = 2048
"""Bytes that are parsed at once where a read could hold many requests."""
MANY: Final = 64
"""Carriage returns in a read: each request has two or more, and JSON bodies next to none."""


class Flow(FlowControl):
    """Reading does not resume while requests wait for their turn."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if self.read_paused and not self._pipeline:
            super().resume_reading()


def could_be_many(data: bytes) -> bool:
    """Whether a read, of more than PIECE bytes, could hold more requests than may be parsed at once."""
    return data.count(b"\r") > MANY


def in_pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))
