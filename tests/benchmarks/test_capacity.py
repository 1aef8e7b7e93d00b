import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.load.arrivals import SCHEDULES, constant, poisson
from benchmarks.load.one_rate import Objective
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.rate_search import bracket
from tests.benchmarks.report.figures import capacity_result, step


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


def test_an_objective_breaks_by_tail_or_errors_and_names_a_late_client() -> None:
    objective = Objective(25, 0.001)
    assert objective.holds(step(10))
    assert not objective.holds(step(10, p99_ms=26))
    assert not objective.holds(step(10, error_share=0.002))
    assert objective.client_to_blame(step(10, p99_ms=26, sent_p99_ms=20))
    assert not objective.client_to_blame(step(10, p99_ms=26, sent_p99_ms=26))


def test_results_with_different_options_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, found in zip(
        files, (capacity_result(1000.0, 1010.0), capacity_result(1000.0, 1010.0) | {"rows": 7}), strict=True
    ):
        file.write_text(json.dumps(found))
    assert capacity.main(["--compare", *map(str, files)]) == 2
    assert "rows is 100 in the first and 7 in the second" in capsys.readouterr().err
