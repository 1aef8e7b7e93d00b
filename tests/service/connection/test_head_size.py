import pytest

from service.connection.head_size import HeadSize
from service.errors import HeadersTooLarge
from tests.service.wire import LIMITS

LIMIT = LIMITS._replace(header_bytes=100, header_count=3)


def read_head(size: HeadSize, *pieces: int, headers: int = 1, each: int = 10) -> HeadersTooLarge | None:
    """Reads of so many bytes, the last of which completes a head."""
    for number, piece in enumerate(pieces):
        size.read_begins(piece)
        if number == 0:
            size.head_begins()
    return size.head_ends(b"/", [(b"n" * each, b"v" * each)] * headers)


def test_a_head_within_both_limits_is_taken_however_it_is_cut() -> None:
    for pieces in ((90,), (45, 45), (1,) * 90, (5000,)):  # the last read holds a body too
        assert read_head(HeadSize(LIMIT), *pieces) is None


def test_a_head_of_too_many_bytes_or_headers_is_refused() -> None:
    for refused in (read_head(HeadSize(LIMIT), 150, headers=3, each=20), read_head(HeadSize(LIMIT), 80, headers=4, each=2)):
        assert refused is not None
        assert refused.extra == {"max_headers": 3, "max_header_bytes": 100}


@pytest.mark.parametrize(("piece", "reads"), [(30, 4), (10, 11)])
def test_a_head_without_end_is_refused_once_it_is_too_large(piece: int, reads: int) -> None:
    size = HeadSize(LIMIT)
    refused = []
    for number in range(reads + 1):
        size.read_begins(piece)
        if number == 0:
            size.head_begins()
        refused.append(size.read_ends(piece))
    assert [error is not None for error in refused] == [False] * reads + [True]


def test_a_body_is_progress_and_may_be_of_any_size() -> None:
    size = HeadSize(LIMIT)
    assert read_head(size, 50) is None
    for _ in range(100):
        size.read_begins(1000)
        size.body_comes()
        assert size.read_ends(1000) is None
