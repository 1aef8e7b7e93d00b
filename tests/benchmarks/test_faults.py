import pytest

from benchmarks.faults import BEGIN, END, faults_of, markdown, rows, with_table
from tests.conftest import ROOT

REPORT = """<testsuites><testsuite><testcase name="a"><properties>
<property name="fault" value="a worker killed (SIGKILL)"/><property name="requests" value="300"/>
<property name="lost" value="2"/>
<property name="refused" value="0"/><property name="wrong" value="0"/><property name="slowest_ms" value="30"/>
<property name="whole_seconds" value="3.21"/><property name="note" value="n"/></properties></testcase>
<testcase name="b"/></testsuite></testsuites>"""


def test_the_properties_of_a_test_become_a_row() -> None:
    found = rows(REPORT)
    assert faults_of(found) == []
    assert "| a worker killed (SIGKILL) | 300 | 2 | 0 | 0 | 30 ms | 3.2 s | n |" in markdown(found, {"commit": "c"})


@pytest.mark.parametrize(("name", "value"), [("wrong", "1"), ("whole_seconds", "8.5")])
def test_wrong_answers_and_a_late_replacement_fail(name: str, value: str) -> None:
    assert len(faults_of([{**rows(REPORT)[0], name: value}])) == 1


def test_a_run_without_a_killed_worker_fails() -> None:
    assert faults_of([]) == ["no worker was killed"]


def test_only_the_text_between_the_marks_changes() -> None:
    page = f"before\n{BEGIN}old\n{END}\nafter\n"
    assert with_table(page, "new\n") == f"before\n{BEGIN}\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="expected the lines"):
        with_table("nothing", "new")


def test_the_page_of_the_docs_has_the_marks() -> None:
    assert "x" in with_table((ROOT / "docs" / "reliability.md").read_text(), "x")
