import pytest

from service.buckets import FINE_TIMES, LONE, MOST, ROWS, TILE, TIMES, Bucket, bucket_for, most_rows, tiles, time_bucket


@pytest.mark.parametrize(("length", "time"), [(1, 8), (8, 8), (9, 16), (1000, 1024), (1024, 1024), (5000, 1024)])
def test_time_goes_up_to_the_next_power_of_two(length: int, time: int) -> None:
    assert time_bucket(length) == time


def test_rows_of_one_length_are_padded_by_an_eighth_at_most() -> None:
    for length in range(1, TIMES[-1] + 1):
        time = time_bucket(length, FINE_TIMES)
        assert length <= time <= 1.125 * length
    assert time_bucket(5000, FINE_TIMES) == TIMES[-1]


@pytest.mark.parametrize("time", FINE_TIMES)
def test_a_call_never_takes_longer_than_its_turn(time: int) -> None:
    assert 0 < most_rows(time) * time <= MOST
    assert most_rows(time) % TILE == 0
    assert most_rows(time) <= ROWS[-1]


@pytest.mark.parametrize(("time", "rows"), [(2048, TILE), (2049, 8), (8192, 8), (8193, 2), (MOST, 2)])
def test_of_a_model_for_very_long_rows_a_call_has_less_than_a_tile(time: int, rows: int) -> None:
    assert most_rows(time) == rows


@pytest.mark.parametrize(
    ("rows", "time", "bucket"),
    [
        (1, 8, Bucket(2, 8)),
        (2, 8, Bucket(2, 8)),
        (3, 8, Bucket(8, 8)),
        (33, 8, Bucket(128, 8)),
        (1, LONE, Bucket(2, LONE)),
        (1, 2 * LONE, Bucket(1, 2 * LONE)),
        (2, 2 * LONE, Bucket(2, 2 * LONE)),
    ],
)
def test_rows_go_up_to_the_next_shape(rows: int, time: int, bucket: Bucket) -> None:
    assert bucket_for(rows, time) == bucket


def test_wide_models_never_have_fewer_rows_than_a_tile() -> None:
    assert bucket_for(1, 8, least=TILE) == Bucket(TILE, 8)


def test_room_is_bounded_and_whole_tiles() -> None:
    for rows in range(TILE, most_rows(1) + 1):
        assert bucket_for(rows, 1).rows <= 4 * rows
        assert 0 <= tiles(rows) * TILE - rows < TILE
    assert all(rows % TILE == 0 for rows in ROWS if rows > TILE)
