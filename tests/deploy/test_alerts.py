"""The alerts: their unit tests, and a real Prometheus that scrapes a real service until alerts fire."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from loadtests.processes import free_port, started
from tests.asking import get, post, until
from tests.conftest import ROOT
from tests.e2e.conftest import serving

PROMETHEUS = ROOT / "deploy" / "prometheus"
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")), reason="not installed: apt-get install prometheus"
)

wait_for = partial(until, pause=0.2)  # Prometheus looks once a second


def groups() -> list[dict[str, Any]]:
    return list(yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())["groups"])


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_the_rules_pass_their_unit_tests() -> None:
    promtool("check", "rules", str(PROMETHEUS / "rules.yaml"))
    promtool("test", "rules", str(PROMETHEUS / "rules_test.yaml"))
    promtool("check", "config", str(PROMETHEUS / "prometheus.yaml"))


def test_every_alert_has_a_unit_test_in_which_it_fires() -> None:
    alerts = {rule["alert"] for group in groups() for rule in group["rules"] if "alert" in rule}
    cases = yaml.safe_load((PROMETHEUS / "rules_test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in cases for case in test.get("alert_rule_test", []) if case.get("exp_alerts")}
    assert fired == alerts


def test_every_rule_selects_its_series_by_job() -> None:
    """The chart gives each release a job of its own, so that its alerts ignore other releases."""
    expressions = " ".join(rule["expr"] for group in groups() for rule in group["rules"])
    series = re.findall(r"\b(unroll[_:][\w:]+|up)\b(\{job=)?", expressions)
    assert len(series) > 20
    assert {name for name, job in series if not job} == set()


@needs_prometheus
def test_alerts_fire_for_a_spent_error_budget_and_for_an_ended_service(home: Path, tmp_path: Path) -> None:
    with ExitStack() as ends:
        service = ends.enter_context(serving(home))
        with prometheus(tmp_path, urlsplit(service).netloc) as url:
            wait_for(lambda: value(url, 'up{job="unroll"}') == 1 and firing(url) == set())

            def burn() -> bool:
                """Send requests that cannot be answered within a millisecond; whether the alert fires."""
                body, headers = {"sequences": [[0.5] * 1000] * 100}, {"x-request-timeout-ms": "1"}
                assert post(f"{service}/many_to_many", json=body, headers=headers).status_code == 504
                return "UnrollErrorBudgetFast" in firing(url)

            wait_for(burn)
            assert "UnrollDown" not in firing(url)
            ends.close()  # the service ends
            wait_for(lambda: "UnrollDown" in firing(url))


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """The address of a Prometheus with the real rules, which scrapes five times a second and fires at once."""
    hasty = [{**group, "rules": [hurried(rule) for rule in group["rules"]]} for group in groups()]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": hasty}))
    config = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with started(command, url, folder / "prometheus.log", ready="/-/ready"):
        yield url


def hurried(rule: dict[str, Any]) -> dict[str, Any]:
    return {**rule, "for": "0s"} if "for" in rule else rule


def value(url: str, expression: str) -> float | None:
    found = get(f"{url}/api/v1/query", params={"query": expression}).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def firing(url: str) -> set[str]:
    alerts = get(f"{url}/api/v1/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
