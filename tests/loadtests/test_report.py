"""The verdict on a run, and its printed form."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.report import Failure, Figures, Summary, print_files, print_summary


def figures(model: str = "one_to_one", requests: int = 1200, failures: int = 0, wrong: int = 0, other: int = 0) -> Figures:
    times = {"p50": 0.84, "p95": 2.0, "p99": 3.1}
    return Figures(
        model=model, requests=requests, per_second=99.5, **times, failures=failures, wrong=wrong, other_version=other
    )


def printed(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_summary(summary, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([figures()], True),
        ([figures(), figures(failures=1)], False),
        ([figures(), figures(failures=1, wrong=1)], False),
        ([figures(), figures(requests=0)], False),
        ([], False),
    ],
)
def test_a_run_passes_when_every_model_has_only_right_answers(rows: list[Figures], passed: bool) -> None:
    summary = Summary(figures=rows, failures=[])
    assert summary.passed is passed
    assert ("passed: " in printed(summary)) is passed
    assert ("FAILED: " in printed(summary)) is not passed


def test_the_table_has_a_row_for_each_model_and_fits_in_80_columns() -> None:
    lines = printed(Summary(figures=[figures(), figures("many_to_many")], failures=[])).splitlines()
    rows = [line.split() for line in lines if line.strip().startswith(("one_to_one", "many_to_many"))]
    expected = ["1,200", "99.5", "0.84", "2.00", "3.10", "0", "0"]
    assert rows == [["one_to_one", *expected], ["many_to_many", *expected]]
    assert not any("…" in line for line in lines)
    assert lines[-1] == "passed: all 2,400 answers are right"


def test_failures_are_printed_with_their_number() -> None:
    text = printed(
        Summary(
            figures=[figures(failures=7, wrong=5), figures("many_to_one", requests=0)],
            failures=[Failure(model="one_to_one", what="wrong answer: [a] reason", times=5)],
        )
    )
    assert "one_to_one: 5 x wrong answer: [a] reason" in text
    assert "FAILED: 5 wrong answers; 2 failed requests; nothing measured for many_to_one" in text


def test_a_long_name_is_folded_and_leaves_the_figures_whole() -> None:
    text = printed(Summary(figures=[figures("x" * 63, requests=12_345_678)], failures=[]))
    assert text.count("x") == 63
    assert "12,345,678" in text
    assert "…" not in text


def test_answers_of_another_version_are_counted_apart_and_are_no_failures() -> None:
    summary = Summary(figures=[figures("stocks", requests=1300, other=1234)], failures=[])
    assert summary.passed
    assert "passed: 66 answers are right; of 1,234 more the shape is right" in printed(summary)
    assert "stocks: 1,234 answers came from another version than at the start" in printed(summary)


def test_paths_are_not_wrapped(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    (folder / "report.html").touch()
    console = Console(file=io.StringIO(), width=80)
    print_files(folder, console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == f"{folder}/report.html\n"
