"""The pages and the pictures, from invented figures."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import altair as alt
import pytest

from benchmarks.report import capacity_page, html_page, panels, pictures, results_picture, serving_page, soak_page
from benchmarks.report.intervals import Interval
from benchmarks.report.panels import Point
from benchmarks.report.results import Results
from tests.benchmarks.report.figures import capacity_result, serving_results, soak_result

SVG = "{http://www.w3.org/2000/svg}"
BOTH = capacity_result(990.0, 1010.0)
BOTH["arrivals"]["constant"] = BOTH["arrivals"]["poisson"]
PAGES: dict[str, Callable[[], str]] = {
    "capacity": lambda: capacity_page.html(capacity_result(990.0, 1010.0)),
    "capacity, one repeat": lambda: capacity_page.html(capacity_result(1000.0)),
    "capacity, both arrivals": lambda: capacity_page.html(BOTH),
    "soak": lambda: soak_page.html(soak_result()),
    "serving": lambda: serving_page.html(serving_results()),
}
PICTURES: dict[str, tuple[Callable[[], alt.TopLevelMixin | None], set[str]]] = {
    "capacity": (
        lambda: capacity_page.picture(capacity_result(990.0, 1010.0)),
        {"offered, requests/s", "ms", "requests/s", "% of those offered", "CPU-seconds per million answers"},
    ),
    "soak": (
        lambda: soak_page.picture(soak_result()),
        {"minutes since the load began", "MB, all processes", "ms", "requests/s"},
    ),
    "serving": (
        lambda: results_picture.picture(serving_results()),
        {"requests/s", "latency, ms: p50 (dot) to p99 (tick)", "connections"},
    ),
}


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_no_other_file_and_forbids_every_request(page: str) -> None:
    elements = Elements()
    elements.feed(PAGES[page]())
    assert not [tag for tag, attributes in elements.seen if {"src", "href", "srcset", "data"} & attributes.keys()]
    assert [tag for tag, _ in elements.seen].count("script") == 1
    policy = next(found["content"] for tag, found in elements.seen if tag == "meta" and "http-equiv" in found)
    assert policy
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_its_own_white_ground_and_axes_with_units(name: str) -> None:
    draw, titles = PICTURES[name]
    drawn = draw()
    assert drawn
    root = ElementTree.fromstring(pictures.svg(drawn))
    ground = next(root.iter(f"{SVG}rect")).attrib
    assert (ground["width"], ground["height"], ground["fill"]) == (root.attrib["width"], root.attrib["height"], "#ffffff")
    assert titles <= {text.text for text in root.iter(f"{SVG}text")}


def marks(drawn: alt.TopLevelMixin, kind: str) -> list[dict[str, Any]]:
    """The layers of a kind, with their data."""
    found, whole = [], drawn.to_dict()

    def walk(part: dict[str, Any], rows: Any) -> None:
        rows = part.get("data", rows)
        if part.get("mark", {}).get("type") == kind:
            found.append({**part, "rows": whole["datasets"][rows["name"]] if "name" in rows else rows["values"]})
        for name in ("layer", "concat", "hconcat", "vconcat"):
            for inner in part.get(name, []):
                walk(inner, rows)

    walk(whole, {})
    return found


def test_a_scale_is_logarithmic_from_two_decades_on_and_begins_at_zero_otherwise() -> None:
    near, far = panels.scale([1.0, 99.0]).to_dict(), panels.scale([1.0, 100.0]).to_dict()
    assert near["zero"]
    assert far["type"] == "log"
    assert panels.scale([0.0, 100.0]).to_dict()["zero"]


def test_every_interval_is_drawn_and_none_goes_below_zero() -> None:
    points = [Point("a", 1.0, Interval(5.0, -1.0, 11.0)), Point("a", 2.0, Interval(6.0, 5.0, 7.0)), panels.point("b", 1.0, 3.0)]
    (bars,) = marks(panels.curves("title", "x, s", "y, ms", points), "rule")
    assert [(row["low"], row["high"]) for row in bars["rows"]] == [(0.0, 11.0), (5.0, 7.0)]
    assert (bars["encoding"]["y"]["field"], bars["encoding"]["y2"]["field"]) == ("low", "high")


def test_a_capacity_that_no_rate_held_has_a_page_without_a_picture() -> None:
    found = capacity_result(1000.0)
    found["arrivals"]["poisson"][0] |= {"sustained_rps": 0.0, "curve": []}
    assert capacity_page.picture(found) is None
    assert "no rate held the objective" in capacity_page.html(found)
    assert "<script" not in capacity_page.html(found)


def test_a_run_without_servers_has_a_page_without_a_picture() -> None:
    results = Results({"commit": "abc"}, 1.0, 1)
    assert results_picture.picture(results) is None
    assert "<script" not in serving_page.html(results)


def test_servers_stand_in_the_order_of_their_speed_with_the_interval_of_their_rounds() -> None:
    drawn = results_picture.picture(serving_results())
    assert drawn
    bars = marks(drawn, "rule")[0]
    assert bars["encoding"]["y"]["sort"] == ["echo", "ours", "by hand", "FastAPI", "BentoML"]
    ours = next(row for row in bars["rows"] if row["server"] == "ours")
    assert (ours["rps"], round(ours["low"]), round(ours["high"])) == (30_000, 28_280, 32_024)


def test_a_script_cannot_end_early() -> None:
    chart = alt.Chart(pictures.data([{"x": "</script><b>"}])).mark_point().encode(x="x:N")
    elements = Elements()
    elements.feed(html_page.page("a < b", [html_page.picture(chart)]))
    assert [tag for tag, _ in elements.seen][-3:] == ["h1", "div", "script"]
