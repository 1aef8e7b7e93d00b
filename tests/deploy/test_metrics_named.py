"""Alerts and panels use only metrics and outcomes that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from service import errors
from service.telemetry import metrics
from tests.conftest import ROOT
from tests.test_docs import kinds

RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "unroll.json"
PROMETHEUS = {"up", "ALERTS"}
KUBELET = {
    "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes",
    "container_cpu_usage_seconds_total",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
}


def produced() -> set[str]:
    """Every series of service/telemetry/metrics.py."""
    names = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric._type or "", [""])
            names |= {metric._name + suffix for suffix in suffixes}
    return names


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions(path: Path) -> Iterator[str]:
    if path == RULES:
        yield from (rule["expr"] for rule in rules())
        return
    dashboard = json.loads(DASHBOARD.read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"].removeprefix("label_values(").partition(",")[0]


def metrics_in(expression: str) -> set[str]:
    bare = re.sub(r'"[^"]*"', '""', expression)  # label values
    bare = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", bare)  # label names
    bare = re.sub(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", "", bare)
    words = re.findall(r"(?<![\w:$.\d])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])", bare)
    return set(words) - {"and", "or", "unless", "le", "m", "h", "s", "d"} - {"__rate_interval"}


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_alerts_and_panels_use_existing_metrics(path: Path) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = set().union(*map(metrics_in, expressions(path)))
    assert len(asked) > 8
    assert asked <= produced() | recorded | PROMETHEUS | KUBELET


def test_the_docs_name_existing_metrics() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    named = set(re.findall(r"\bunroll_[a-z]\w*", pages))
    assert len(named) > 20
    assert named <= produced() | {re.sub(r"_bucket$", "", series) for series in produced()}  # histograms, as tables name them


NOT_SUPPORTED = {501, 505}
"""What a client asks for and no service of this kind has: its fault, whatever the number says."""


def test_failures_are_the_outcomes_with_status_500_and_up() -> None:
    failures = {kind.slug for kind in kinds() if kind.status >= 500 and kind.status not in NOT_SUPPORTED}
    for rule in rules():
        if rule.get("record", "").startswith("unroll:errors:"):
            (listed,) = re.findall(r'outcome=~"([^"]+)"', rule["expr"])
            assert set(listed.split("|")) == failures
    assert errors.Overloaded.slug not in failures  # an alert of its own


def test_panels_do_not_overlap_and_have_different_ids() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
