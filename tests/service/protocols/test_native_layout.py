import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocols.native_layout import Layout, count_rows, find_layout

numbers = st.lists(st.integers(-9, 9), min_size=1, max_size=4)
rows_of_numbers = st.lists(numbers, min_size=1, max_size=4)
rows_of_steps = st.lists(rows_of_numbers, min_size=1, max_size=4)


@given(rows_of_numbers)
def test_rows_of_numbers_have_their_lengths(rows: list[list[int]]) -> None:
    content = json.dumps(rows).encode()
    assert find_layout(content, deep=False) == Layout([*map(len, rows)], None)
    assert count_rows(content, deep=False) == len(rows)


@given(rows_of_steps)
def test_rows_of_steps_have_their_lengths_and_widths(rows: list[list[list[int]]]) -> None:
    content = json.dumps(rows).encode()
    layout = find_layout(content, deep=True)
    assert layout == Layout([*map(len, rows)], [*map(len, chain.from_iterable(rows))])
    assert count_rows(content, deep=True) == len(rows)
    places = [(r, s, n) for r, row in enumerate(rows) for s, step in enumerate(row) for n in range(len(step))]
    assert layout is not None
    assert [layout.path(number) for number in range(layout.numbers)] == [f"sequences[{r}][{s}][{n}]" for r, s, n in places]


@given(rows_of_steps, st.data())
def test_content_that_ends_within_a_step_has_the_layout_up_to_there(rows: list[list[list[int]]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    step = data.draw(st.integers(0, len(rows[row]) - 1))
    number = data.draw(st.integers(0, len(rows[row][step]) - 1))
    rows[row][step][number] = 77
    content = json.dumps(rows).encode()
    layout = find_layout(content, deep=True, end=content.index(b"77"))
    assert layout is not None
    assert layout.path(layout.numbers - 1) == f"sequences[{row}][{step}][{number}]"


nested = st.recursive(st.integers(-9, 9), lambda children: st.lists(children, max_size=3), max_leaves=12)


@given(st.lists(nested, max_size=4))
def test_anything_else_has_no_layout_or_a_number_too_many(found: list[object]) -> None:
    layout = find_layout(json.dumps(found).encode(), deep=True)
    if layout is None:
        return
    steps = [step for row in found if isinstance(row, list) for step in row]
    assert all(isinstance(step, list) and not any(isinstance(each, list) for each in step) for step in steps)
    assert layout.widths == [max(1, len(step)) for step in steps if isinstance(step, list)]


@pytest.mark.parametrize("content", [b"[]", b"[[]]", b"[[[]],1]", b"[[[1],2]]", b"[[[1]],[]]", b"[[[[1]]]]", b"[[1]]", b"1"])
def test_what_is_no_row_of_steps_has_no_layout(content: bytes) -> None:
    layout = find_layout(content, deep=True)
    assert layout is None
