import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.load.arrivals import SCHEDULES, constant, poisson
from benchmarks.load.one_rate import Objective
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.rate_search import bracket
from benchmarks.report import intervals
from benchmarks.report.capacity_page import html
from benchmarks.report.capacity_statement import comparison, knee, statement


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_offers_its_rate_in_order(name: str) -> None:
    offsets = list(SCHEDULES[name](200, 3, 1))
    assert len(offsets) == 600
    assert offsets == sorted(offsets)
    assert 0 <= offsets[0] <= offsets[-1] <= 3


def test_poisson_arrivals_come_in_bursts_and_constant_ones_do_not() -> None:
    gaps = {kind: np.diff(list(schedule(1000, 10, 5))) for kind, schedule in (("p", poisson), ("c", constant))}
    assert np.std(gaps["p"]) == pytest.approx(1e-3, rel=0.1)  # exponential: as wide as long
    assert np.std(gaps["c"]) < 1e-9


def test_requests_without_a_free_connection_are_counted_once() -> None:
    async def offer() -> list[tuple[int, int]]:
        load = OpenLoop(1, "/", b"", b"", most_connections=0)
        await load.offer([0.0, 0.0])
        return [(len(outcomes), unsent) for outcomes, unsent in (load.take(), load.take())]

    assert asyncio.run(offer()) == [(0, 2), (0, 0)]


@pytest.mark.parametrize("start", [10.0, 900.0, 5000.0])
def test_the_search_closes_in_on_the_limit_from_either_side(start: float) -> None:
    found = bracket(lambda rate: rate <= 1234, start, 1.5, 0.02)
    assert found.held <= 1234 < found.broke <= found.held * 1.02


def test_the_search_ends_when_no_rate_holds_or_every_rate_holds() -> None:
    assert bracket(lambda _: False, 100, 1.5, 0.02).held == 0
    assert bracket(lambda _: True, 100, 1.5, 0.02).broke == float("inf")


def test_intervals_use_students_t_and_cover_the_mean_in_95_percent() -> None:
    found = intervals.mean([9.0, 10.0, 11.0])
    assert found.value == 10
    assert found.half == pytest.approx(4.303 / 3**0.5, rel=1e-3)  # t of two degrees of freedom
    rng = np.random.default_rng(0)
    covered = [one.low <= 5 <= one.high for one in (intervals.mean(rng.normal(5, 2, 5).tolist()) for _ in range(1000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_slope_and_its_interval() -> None:
    x = np.arange(50.0)
    found = intervals.slope(x.tolist(), (3 * x + np.random.default_rng(1).normal(0, 1, 50)).tolist())
    assert found.low < 3 < found.high
    assert found.half < 0.05


def step(rate: float, limit: float = 1000.0, **changed: Any) -> dict[str, Any]:
    """The figures of a service whose capacity is `limit`."""
    over = rate > limit
    figures = {"offered_rps": rate, "goodput_rps": min(rate, limit), "error_share": 0.5 if over else 0.0, "wrong": 0, "shed": 0}
    times = dict.fromkeys(("p50_ms", "p99_ms", "sent_p99_ms", "mean_ms"), 90.0 if over else 1 + rate / limit)
    cost = {"late_p99_ms": 0.5, "cpu_seconds_per_million": 800.0, "peak_mb": 900.0, "accepted": 100, "machine_speed": 50.0}
    return {**figures, **times, **cost, "holds": not over, "client_to_blame": False, **changed}


def result(*limits: float) -> dict[str, Any]:
    def repeat(limit: float) -> dict[str, Any]:
        curve = [step(share * limit, limit) for share in capacity.SHARES]
        return {
            "sustained_rps": limit,
            "broke_rps": limit * 1.03,
            "steps": [step(limit, limit), step(limit * 1.03, limit)],
            "curve": curve,
        }

    about = {"objective": {"p99_ms": 25, "errors": 0.001}, "workers": 1, "rows": 100, "seconds": 10}
    return {**about, "machine": {"date": "d", "commit": "c"}, "arrivals": {"poisson": [repeat(limit) for limit in limits]}}


def test_an_objective_breaks_by_tail_or_errors_and_names_a_late_client() -> None:
    objective = Objective(25, 0.001)
    assert objective.holds(step(10))
    assert not objective.holds(step(10, p99_ms=26))
    assert not objective.holds(step(10, error_share=0.002))
    assert objective.client_to_blame(step(10, p99_ms=26, sent_p99_ms=20))
    assert not objective.client_to_blame(step(10, p99_ms=26, sent_p99_ms=26))


def test_the_statement_tells_rate_interval_knee_goodput_cost_and_client() -> None:
    said = "\n".join(statement(result(990.0, 1000.0, 1010.0)))
    for part in ("sustains 1,000 (95% interval 975 to 1,025)", "100% at 2 times", "cost 800 ", "900 MB", "not the bottleneck"):
        assert part in said
    assert knee(result(1000.0)["arrivals"]["poisson"][0])["offered_rps"] == 1000


def test_the_statement_says_when_the_client_was_the_bottleneck() -> None:
    found = result(1000.0, 1000.0)
    found["arrivals"]["poisson"][0]["steps"][-1]["client_to_blame"] = True
    said = "\n".join(statement(found))
    assert "sustains at least 1,000" in said
    assert "THE CLIENT WAS THE BOTTLENECK in 1 of 2" in said


A = (1000.0, 1010.0, 990.0, 1005.0, 995.0)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ((1100.0, 1110.0, 1090.0, 1105.0, 1095.0), "the difference is real"),
        ((1001.0, 1012.0, 985.0, 1003.0, 997.0), "the difference may be chance"),
    ],
)
def test_the_comparison_tells_a_real_difference_from_chance(second: tuple[float, ...], words: str) -> None:
    assert words in comparison(result(*A), result(*second))[0]


def test_the_comparison_tells_a_faster_machine_from_a_faster_service() -> None:
    found = result(*(1.2 * limit for limit in A))
    for repeat in found["arrivals"]["poisson"]:
        for one in repeat["steps"]:
            one["machine_speed"] *= 1.2
    apart, alike = comparison(result(*A), found)[:2]
    assert "the difference is real: 1,000 then 1,200 requests/s" in apart
    assert "change of speed (+20.0%): the difference may be chance: 1,000 then 1,000 requests/s" in alike


def test_the_statement_also_has_an_interval_without_the_machines_changes_of_speed() -> None:
    found = result(900.0, 1000.0, 1100.0)
    for repeat, speed in zip(found["arrivals"]["poisson"], (45.0, 50.0, 55.0), strict=True):
        for one in repeat["steps"]:
            one["machine_speed"] = speed
    said = "\n".join(statement(found))
    assert "sustains 1,000 (95% interval 752 to 1,248)" in said
    assert "1,000 (95% interval 1,000 to 1,000) requests/s; a fixed piece of work" in said
    assert "1.22 times as fast at its fastest" in said


def test_three_repeats_are_too_few_for_a_comparison() -> None:
    assert "too few to tell" in comparison(result(*A[:3]), result(2000.0, 2010.0, 2020.0))[0]


def test_results_with_different_options_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, found in zip(files, (result(*A), result(*A) | {"rows": 7}), strict=True):
        file.write_text(json.dumps(found))
    assert capacity.main(["--compare", *map(str, files)]) == 2
    assert "rows is 100 in the first and 7 in the second" in capsys.readouterr().err


def test_the_page_needs_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    page = html(result(990.0, 1010.0))
    assert page.count("<svg") == 4
    assert "src=" not in page
    assert "href=" not in page
