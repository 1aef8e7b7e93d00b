"""The page, the plot and the verdicts, of figures that are made up."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import chart, report
from benchmarks.results import CONNECTIONS, Measured, Results, verdicts
from benchmarks.wrk import Load


def load(rps: float, p50: float = 1.0, p99: float = 2.0, failed: int = 0) -> Load:
    return Load(rps, p50, p99, 2 * p99, failed, 100, 0)


def server(label: str, rps: float, **others: Any) -> Measured:
    return Measured(label, "as documented", 4.0, [500.0, 80.0], {number: load(rps, **others) for number in CONNECTIONS})


def shape(length: int, batch: int, ours: float) -> dict[str, Any]:
    times = {"predict_ms": None, "signature_ms": 10.0, "ours_ms": ours}
    return {"length": length, "batch": batch, "largest_difference": 1e-7, **times}


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
    found = Results({"commit": "abc"}, 2.0, 3, left_out={"Ray Serve": "not installed"}, starts=[4.0, 5.0])
    found.servers = {"echo": server("echo", 40_000), "unroll": server("ours", 30_000), "bentoml": server("BentoML", 1000)}
    found.sustained = {"unroll": {64: load(30_000, 1.0, 3.0)}}
    found.large = {4: load(600)}
    rows = {"json_in_ms": 0.3, "model_ms": 0.9, "json_out_ms": 0.1}
    found.engine = {"threads": 1, "shapes": [shape(5, 1, 0.1), shape(50, 64, 2.0), shape(1000, 1, 0.2)], "rows": rows}
    found.overload = [
        {"rows": rows, "items": items, "seconds": 5.0, "phases": [phase(0.8), phase(2), phase(5)]}
        for rows, items in ((1000, 5), (1, 10_000))
    ]
    return found


def test_a_good_run_shows_everything(results: Results) -> None:
    assert [verdict for verdict in verdicts(results) if not verdict.shown] == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r.servers.update(unroll=server("ours", 5000)), "the best of the peers"),
        (lambda r: r.servers.update(unroll=server("ours", 30_000, failed=1)), "wrong or failed"),
        (lambda r: r.servers.update(unroll=server("ours", 30_000, p50=4.0)), "1 connection, p50"),
        (lambda r: r.sustained["unroll"].update({64: load(1, 1.0, 5.0)}), "p99 against p50 after load"),
        (lambda r: r.engine["shapes"].append(shape(1000, 1, 1.0)), "length 1000, batch 1"),
        (lambda r: r.overload[0]["phases"].append(phase(5, without_retry_after=1)), "1,000 rows of 5 items: answers"),
        (lambda r: r.overload[1]["phases"].append(phase(5, goodput_rps=440.0)), "1 row of 10,000 items: goodput"),
        (lambda r: r.starts.append(6.5), "ready"),
    ],
)
def test_what_a_run_does_not_show_is_said(results: Results, change: Any, what: str) -> None:
    change(results)
    assert any(what in verdict.what for verdict in verdicts(results) if not verdict.shown)


def test_the_page_has_every_part_and_whole_tables(results: Results) -> None:
    page = report.markdown(results, "results.svg")
    for title in ("must show", "One row", "60 s of load", "engine", "1,000 rows", "Start", "Overload", "Left out"):
        assert title in page
    assert "| ours | 64 | 30,000 | 1.000 | 2.000 | 0.750 | 0 | 0 of 100 |" in page
    for block in page.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_run_with_nothing_in_it_has_a_page() -> None:
    assert report.markdown(Results({"commit": "abc"}, 1.0, 1), "results.svg").startswith("# Serving")


def test_results_are_json(results: Results) -> None:
    assert json.loads(json.dumps(results.as_json()))["servers"]["unroll"]["loads"]["64"]["rps"] == 30_000


def test_the_chart_is_xml_with_a_longer_bar_for_more() -> None:
    drawn = chart.bars("a < b & c", {"one": {"x": 100.0, "y": 10_000.0}, "two & three": {"x": 1.0, "y": 30_000.0}})
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.attrib["width"]) for bar in root.iter(f"{space}rect") if bar.attrib.get("height") == str(chart.BAR - 2)]
    assert len(bars) == 4
    assert bars[2] < bars[0] < bars[1] < bars[3]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"a < b & c", "two & three", "30,000"} <= set(texts)
