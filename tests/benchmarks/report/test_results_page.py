"""The page and the verdicts, from invented figures."""

import json
from typing import Any

import pytest

from benchmarks.report import results_page
from benchmarks.report.results import Results, Start, verdicts
from tests.benchmarks.report.figures import engine, load, phase, server, serving_results


@pytest.fixture
def results() -> Results:
    return serving_results()


def test_a_good_run_shows_everything(results: Results) -> None:
    assert [verdict for verdict in verdicts(results) if not verdict.shown] == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r.servers.update(unroll=server("ours", 28_000)), "64 connections, requests/s against by hand"),
        (lambda r: r.servers.update(unroll=server("ours", 27_000)), "64 connections, requests/s against echo"),
        (lambda r: r.servers.update(unroll=server("ours", 28_000)), "64 connections, requests/s against FastAPI"),
        (lambda r: r.servers.update(unroll=server("ours", 24_000)), "16 connections, requests/s against by hand"),
        (lambda r: r.servers.update(unroll=server("ours", 12_000)), "1 connection, requests/s against by hand"),
        (lambda r: r.servers.update(unroll=server("ours", 30_000, failed=1)), "wrong or failed"),
        (lambda r: r.servers.update(unroll=server("ours", 30_000, p50=0.14)), "1 connection, p50"),
        (lambda r: r.servers.update(unroll=server("ours", 30_000, p99=2.6)), "16 connections, p99"),
        (lambda r: r.realistic.update(unroll=server("ours", 8_000)), "realistic model, 64 connections"),
        (lambda r: r.realistic.update(unroll=server("ours", 4_000)), "realistic model, 1 connection"),
        (lambda r: r.realistic.update(unroll=server("ours", 9_000, failed=1)), "realistic model, answers wrong"),
        (lambda r: r.sustained["unroll"].update({64: load(1, 1.0, 2.6)}), "p99 against p50 after load"),
        (lambda r: r.engine.update(engine(1.2)), "engine, F 8, 64 units, length 100, batch 32"),
        (lambda r: r.engine.update(engine(1.2)), "engine, F 8, 64 units, 2 layers, 6 classes, length 100, batch 256"),
        (lambda r: r.engine.update(engine(1.1, torch=0.9)), "(PyTorch)"),
        (lambda r: r.overload[0]["phases"].append(phase(5, without_retry_after=1)), "1,000 rows of 5 items: answers"),
        (lambda r: r.overload[1]["phases"].append(phase(5, goodput_rps=390.0)), "1 row of 10,000 items: goodput"),
        (lambda r: r.overload[1]["phases"].append(phase(2, goodput_rps=440.0)), "1 row of 10,000 items: goodput"),
        (lambda r: r.starts.update(unroll=[Start(2.1, [130.0])]), "ready"),
        (lambda r: r.starts.update(unroll=[Start(1.9, [141.0])]), "memory of the worker"),
    ],
)
def test_a_missed_bar_has_a_bad_verdict(results: Results, change: Any, what: str) -> None:
    change(results)
    assert any(what in verdict.what for verdict in verdicts(results) if not verdict.shown)


def test_a_part_that_was_not_measured_has_no_verdict(results: Results) -> None:
    results.servers = {"unroll": results.servers["unroll"]}
    results.realistic, results.starts = {"bare_onnx": results.realistic["bare_onnx"]}, {}
    results.engine, results.overload, results.sustained = None, [], {}
    assert {verdict.what for verdict in verdicts(results)} == {
        "1 connection, p99 against p50",
        "16 connections, p99 against p50",
        "64 connections, p99 against p50",
        "answers wrong or failed",
        "1,000 rows a request, rows/s",
    }


def test_the_page_has_every_part_and_whole_tables(results: Results) -> None:
    page = results_page.markdown(results, "results.svg")
    for title in ("must show", "One row", "60 s of load", "realistic", "engine", "1,000 rows", "Start", "Overload", "Left out"):
        assert title in page
    assert "| ours | 64 | 30,000 | 0.120 | 0.250 | 2.08 | 0.682 | 0 | 0 of 100 |" in page
    for block in page.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_starts_alone_have_a_heading(results: Results) -> None:
    results.servers = {}
    page = results_page.markdown(results, "results.svg")
    assert "## Start and memory\n\n| server | ready after s | MB then, by process |" in page
    assert "| ours | 9.00 | 130 + 60 |" in page


def test_an_empty_run_has_a_page() -> None:
    page = results_page.markdown(Results({"commit": "abc"}, 1.0, 1), None)
    assert page.startswith("# Serving")
    assert "![" not in page


def test_the_page_opens_with_the_picture_and_five_lines(results: Results) -> None:
    picture, summary = results_page.markdown(results, "results.svg").split("\n\n")[1:3]
    assert picture.endswith("(results.svg)")
    assert summary.splitlines() == [
        "- One row of five items, 64 connections: 30,000 requests/s (95% interval 28,280 to 32,024), 1.15 times by hand; "
        "3.53 times FastAPI; 0.68 times echo.",
        "- Latency of one row: p50 0.12 ms and p99 0.25 ms at 1 connection, p50 0.12 ms and p99 0.25 ms at 16 connections, "
        "p50 0.12 ms and p99 0.25 ms at 64 connections.",
        "- The realistic model, 64 connections: 9,000 requests/s (95% interval 8,484 to 9,607), 1.50 times by hand.",
        "- 600,000 rows/s in requests of 1,000 rows; the engine alone takes at most 1.15 times as long as the fastest other "
        "runtime in 13 of 13 cases.",
        '- 52 of 52 bars are reached; see the table "What it must show".',
    ]


def test_results_are_json(results: Results) -> None:
    assert json.loads(json.dumps(results.as_json()))["servers"]["unroll"]["loads"]["64"]["rps"] == 30_000
