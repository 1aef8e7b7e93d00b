"""The table of load shapes, and its scaling."""

import pytest

from loadtests.load_shapes import SHAPES, Shape, Stage

TWO = Shape("", 0.0, (Stage(2, 3, 3), Stage(8, 12, 6)))


@pytest.mark.parametrize(("elapsed", "users"), [(0, 3), (1.99, 3), (2, 12), (9.99, 12), (10, None), (1000, None)])
def test_stage_at(elapsed: float, users: int | None) -> None:
    stage = TWO.stage_at(elapsed)
    assert (stage and stage.users) == users


def test_unscaled_is_unchanged() -> None:
    assert TWO.scaled() == TWO


def test_a_shape_scales_in_users_and_length() -> None:
    scaled = TWO.scaled(peak=24, seconds=5)
    assert scaled.stages == (Stage(1, 6, 12), Stage(4, 24, 24))
    assert (scaled.peak, scaled.seconds) == (24, 5)


def test_every_stage_has_a_user_for_every_model() -> None:
    assert [stage.users for stage in TWO.scaled(peak=3, least=7).stages] == [7, 7]
    assert [stage.users for stage in TWO.scaled(least=7).stages] == [7, 12]
    assert [stage.users for stage in TWO.scaled(peak=1).stages] == [1, 1]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_of_the_table_gives_a_reason_and_reaches_its_users(shape: Shape) -> None:
    assert shape.why
    before = 0
    for stage in shape.stages:
        assert stage.users >= 1
        assert abs(stage.users - before) / stage.spawn_rate < stage.seconds
        before = stage.users
