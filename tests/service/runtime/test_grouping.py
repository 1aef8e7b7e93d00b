from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.runtime.grouping import FREE, group, needs_groups

ragged = st.lists(st.integers(1, 3000) | st.integers(1, 40), min_size=1, max_size=80)


def groups_of(lengths: list[int]) -> list[list[int]]:
    """The lengths in each group, in its order."""
    order, bounds = group(lengths)
    ordered = [lengths[row] for row in order]
    return [ordered[start:end] for start, end in pairwise(bounds)]


def too_much(lengths: list[int]) -> bool:
    """Whether the padding of a group with these rows is more than a quarter of its items, and than what is free."""
    return max(lengths) * len(lengths) - sum(lengths) > max(sum(lengths) / 4, FREE)


@given(ragged)
def test_every_row_is_in_exactly_one_group_and_the_longest_come_first(lengths: list[int]) -> None:
    order, bounds = group(lengths)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (bounds[0], bounds[-1]) == (0, len(lengths))
    assert all(start < end for start, end in pairwise(bounds))
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)
    assert list(accumulate(group(lengths).sizes, initial=0)) == bounds


@given(ragged)
@example([1000, 1])
@example([600, 600, 1, 1])
def test_padding_is_at_most_a_quarter_of_a_groups_items_or_free_and_no_group_could_take_another_row(lengths: list[int]) -> None:
    groups = groups_of(lengths)
    assert not any(map(too_much, groups))
    for this, following in pairwise(groups):
        assert too_much([*this, following[0]])


@given(ragged)
def test_groups_are_needed_if_one_call_has_too_much_padding(lengths: list[int]) -> None:
    needed = needs_groups(lengths, sum(lengths), max(lengths))
    assert needed == too_much(lengths)
    assert needed == (len(groups_of(lengths)) > 1)


@pytest.mark.parametrize(("length", "rows"), [(1, 1), (1, 10_000), (5, 100), (3000, 7)])
def test_rows_of_one_length_are_one_group_in_their_own_order(length: int, rows: int) -> None:
    order, bounds = group([length] * rows)
    assert (order.tolist(), bounds) == (list(range(rows)), [0, rows])
    assert not needs_groups([length] * rows, length * rows, length)


def test_short_rows_share_a_call_whatever_their_lengths_and_long_ones_do_not() -> None:
    assert groups_of([1, 60, 2, 30]) == [[60, 30, 2], [1]]
    assert groups_of([1, 3000, 2900, 5, 1000, 4]) == [[3000, 2900], [1000], [5, 4, 1]]
