import asyncio

import pytest

from benchmarks.load.open_loop import SOCKET_ERROR, Connection, OpenLoop, Outcome
from benchmarks.load.summary import percentile, summary


def outcome(status: int, due: float = 0.0, took: float = 0.01, retry_after: bool = False, right: bool = True) -> Outcome:
    return Outcome(status, due, 0.0, took, retry_after, right, b"")


def test_goodput_counts_right_answers_in_time() -> None:
    outcomes = [outcome(200), outcome(200, right=False), outcome(200, due=0.9, took=0.5), outcome(429, retry_after=True)]
    found = summary([*outcomes, outcome(429), outcome(SOCKET_ERROR)], unsent=2, begun=0.0, rate=10, seconds=1)
    counts = {name: found[name] for name in ("accepted", "shed", "other", "unsent", "unanswered", "wrong")}
    assert counts == {"accepted": 3, "shed": 2, "other": 1, "unsent": 2, "unanswered": 2, "wrong": 1}
    assert found["goodput_rps"] == 1
    assert found["without_retry_after"] == 1


def test_percentiles_of_few_values_and_of_none() -> None:
    assert percentile([], 99) is None
    assert percentile([0.5], 99) == 500
    assert percentile([0.001 * number for number in range(101)], 99) == pytest.approx(99)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        self.sent, self.closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True


def answered(*pieces: bytes) -> tuple[OpenLoop, Transport]:
    """A connection that sent one request and received these bytes."""

    async def ask() -> tuple[OpenLoop, Transport]:
        load, transport = OpenLoop(1, "/predict", b"[[1]]", b"[[1]]", 4), Transport()
        connection = Connection(load, load.now())
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
        return load, transport

    return asyncio.run(ask())


def test_an_answer_in_pieces_is_joined_and_its_connection_becomes_idle() -> None:
    load, transport = answered(b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\n[[", b"1]]")
    assert transport.sent.startswith(b"POST /predict HTTP/1.1\r\n")
    assert transport.sent.endswith(b"content-length: 5\r\n\r\n[[1]]")
    (found,) = load.outcomes
    assert (found.status, found.right, found.retry_after) == (200, True, False)
    assert len(load.idle) == 1


def test_the_client_closes_a_connection_after_connection_close() -> None:
    load, transport = answered(b"HTTP/1.1 429 Too Many\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
    (found,) = load.outcomes
    assert (found.status, found.retry_after) == (429, True)
    assert transport.closed
    assert load.idle == []
