"""Rows are asked alone, of one version, and only where the right answer is not the input."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from loadtests.alone import WrongAloneError, with_answers
from loadtests.models import Models
from loadtests.payloads import drawn_rows
from loadtests.processes import NotServing
from loadtests.target import served
from tests.loadtests import fake_models
from tests.loadtests.fake_models import BY_NAME, under_test

Said = tuple[int, Any]


@pytest.mark.parametrize("name", ["stocks", "kinds", "phases"])
def test_each_drawn_row_is_asked_alone_of_the_version_of_the_card(name: str, fake: Callable[..., str]) -> None:
    asked_for: list[dict[str, Any]] = []

    def answer(model: dict[str, Any], asked: dict[str, Any]) -> Said:
        asked_for.append(asked)
        return 200, fake_models.answer(model, asked)

    url = fake(answer, [BY_NAME[name]])
    model = with_answers(url, served(url), seed=3)[0]
    assert {(len(asked["sequences"]), asked["model_version"]) for asked in asked_for} == {(1, "2")}
    assert [len(asked["sequences"][0]) for asked in asked_for] == [len(row) for row in drawn_rows(model, seed=3)]
    assert model == under_test(name, seed=3)
    assert Models.model_validate_json(Models(seed=3, models=[model]).model_dump_json()).models == [model]  # to the last bit


def test_an_echo_is_not_asked(fake: Callable[..., str]) -> None:
    def answer(_model: dict[str, Any], _asked: dict[str, Any]) -> Said:
        raise AssertionError

    url = fake(answer, [BY_NAME["waves"]])
    assert with_answers(url, served(url), seed=0) == [under_test("waves")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "3"}, "stocks, drawn row 0 alone: wrong answer: another version: expected 2, got 3"),
        ({"outputs": [[1.0]]}, "a row of another length: row 0: expected 3 outputs, got 1"),
        ({"outputs": [[float("nan")] * 3]}, "a number is not finite: row 0, output 0: got nan"),
    ],
)
def test_a_wrong_answer_to_a_row_alone_is_an_error(change: dict[str, Any], message: str, fake: Callable[..., str]) -> None:
    url = fake(lambda model, asked: (200, {**fake_models.answer(model, asked), **change}), [BY_NAME["stocks"]])
    with pytest.raises(WrongAloneError, match=re.escape(message)):
        with_answers(url, served(url), seed=0)


def test_a_row_alone_without_an_answer_is_an_error(fake: Callable[..., str]) -> None:
    url = fake(lambda *_: (429, {"title": "rate-limited"}), [BY_NAME["stocks"]])
    with pytest.raises(NotServing, match=r"/models/stocks/predict answers 429 to one row alone: .*rate-limited"):
        with_answers(url, served(url), seed=0)
