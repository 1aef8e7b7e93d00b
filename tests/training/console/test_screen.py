import pytest

from training.console.screen import duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0 s"),
        (3, "3 s"),
        (9.94, "9.9 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (2 * 86_400, "2 d"),
    ],
)
def test_a_duration_is_shown_in_the_largest_unit_of_which_there_are_two(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
