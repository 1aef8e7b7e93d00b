"""The page, the chart and the verdicts, from invented figures."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.engines.cases import CASES, RUNTIMES
from benchmarks.load.side_by_side import CONNECTIONS, Measured
from benchmarks.load.wrk import Load
from benchmarks.report import bar_chart, results_page
from benchmarks.report.results import Results, Start, verdicts


def load(rps: float, p50: float = 1.0, p99: float = 2.0, failed: int = 0) -> Load:
    return Load(rps, p50, p99, 2 * p99, failed, 100, 0)


def server(label: str, rps: float, **others: Any) -> Measured:
    return Measured(label, "as documented", 4.0, [500.0, 80.0], {number: load(rps, **others) for number in CONNECTIONS})


def engine(ours: float = 1.1, **others: float) -> dict[str, Any]:
    """As measured without PyTorch."""
    times = {**{name: 2.0 for name in RUNTIMES if name != "torch"}, "onnx": 1.0, "ours": ours, **others}
    cases = [{**case._asdict(), "ms": times, "largest_difference": 1e-7} for case in CASES]
    return {"cases": cases, "rows": {"json_in_ms": 0.3, "model_ms": 0.9, "json_out_ms": 0.1}, "left_out": {}}


def phase(factor: float, **others: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("other", "unsent", "unanswered", "wrong", "without_retry_after"), 0)
    figures = {"p50_ms": 2.0, "p99_ms": 4.0, "shed_p99_ms": 5.0, "late_p99_ms": 0.1, "rss_mb": [500.0, 501.0]}
    rates = {
        "factor": factor,
        "offered_rps": 500 * factor,
        "goodput_rps": 480.0,
        "capacity_rps": 500.0,
        "accepted": 480,
        "shed": 20,
    }
    return {**rates, **counts, **figures, **others}


@pytest.fixture
def results() -> Results:
    found = Results({"commit": "abc"}, 2.0, 3, left_out={"Ray Serve": "not installed"})
    found.servers = {
        "echo": server("echo", 44_000),
        "unroll": server("ours", 30_000, p50=0.12, p99=0.25),
        "bare_onnx": server("by hand", 26_000, p50=0.06),
        "fastapi": server("FastAPI", 8_500),
        "bentoml": server("BentoML", 1000),
    }
    found.realistic = {"unroll": server("ours", 9_000), "bare_onnx": server("by hand", 6_000)}
    found.starts = {"unroll": [Start(s, [130.0, 60.0]) for s in (1.8, 9.0, 1.9)], "idle": [Start(1.2, [90.0])] * 3}
    found.sustained = {"unroll": {64: load(30_000, 1.0, 2.4)}}
    found.large = {4: load(600)}
    found.engine = engine()
    found.overload = [
        {"rows": rows, "items": items, "seconds": 5.0, "phases": [phase(0.8), phase(2), phase(5, goodput_rps=405.0)]}
        for rows, items in ((1000, 5), (1, 10_000))
    ]
    return found


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
    assert results_page.markdown(Results({"commit": "abc"}, 1.0, 1), "results.svg").startswith("# Serving")


def test_results_are_json(results: Results) -> None:
    assert json.loads(json.dumps(results.as_json()))["servers"]["unroll"]["loads"]["64"]["rps"] == 30_000


def test_the_chart_is_xml_with_longer_bars_for_higher_values() -> None:
    drawn = bar_chart.bars("a < b & c", {"one": {"x": 100.0, "y": 10_000.0}, "two & three": {"x": 1.0, "y": 30_000.0}})
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    bars = [
        float(bar.attrib["width"]) for bar in root.iter(f"{space}rect") if bar.attrib.get("height") == str(bar_chart.BAR - 2)
    ]
    assert len(bars) == 4
    assert bars[2] < bars[0] < bars[1] < bars[3]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"a < b & c", "two & three", "30,000"} <= set(texts)
