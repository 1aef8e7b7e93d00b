import pytest

from service.connection.request_head import RequestHead
from service.errors import UnrollError
from service.http.head_rules import HeadRules
from tests.service.wire import LIMITS

LIMIT = LIMITS._replace(header_bytes=100, header_count=3)


def new_head() -> RequestHead:
    return RequestHead(LIMIT, HeadRules())


def read_head(size: RequestHead, *pieces: int, headers: int = 1, each: int = 10) -> UnrollError | None:
    """Reads of so many bytes, the last of which completes a head."""
    for number, piece in enumerate(pieces):
        size.read_begins(piece)
        if number == 0:
            size.head_begins()
    pairs = [(b"n" * each, b"v" * each)] * headers
    return size.head_ends("1.0", b"/", pairs, dict(pairs))


def test_a_head_within_both_limits_is_taken_however_it_is_cut() -> None:
    for pieces in ((90,), (45, 45), (1,) * 90, (5000,)):  # the last read holds a body too
        assert read_head(new_head(), *pieces) is None


def test_a_head_of_too_many_bytes_or_headers_is_refused() -> None:
    for refused in (
        read_head(new_head(), 150, headers=3, each=20),
        read_head(new_head(), 80, headers=4, each=2),
    ):
        assert refused is not None
        assert refused.extra == {"max_headers": 3, "max_header_bytes": 100}


@pytest.mark.parametrize(("piece", "reads"), [(30, 4), (10, 11)])
def test_a_head_without_end_is_refused_once_it_is_too_large(piece: int, reads: int) -> None:
    size = new_head()
    refused = []
    for number in range(reads + 1):
        size.read_begins(piece)
        if number == 0:
            size.head_begins()
        refused.append(size.read_ends(piece))
    assert [error is not None for error in refused] == [False] * reads + [True]


def test_a_body_is_progress_and_may_be_of_any_size() -> None:
    size = new_head()
    assert read_head(size, 50) is None
    for _ in range(100):
        size.read_begins(1000)
        size.body_comes()
        assert size.read_ends(1000) is None
