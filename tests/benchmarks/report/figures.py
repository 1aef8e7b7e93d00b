"""Invented results, as the commands write them."""

from typing import Any

from benchmarks import capacity
from benchmarks.engines.cases import CASES, RUNTIMES
from benchmarks.load.side_by_side import CONNECTIONS, Measured
from benchmarks.load.wrk import Load
from benchmarks.report.results import Results, Start
from benchmarks.report.soak_statement import verdict


def load(rps: float, p50: float = 1.0, p99: float = 2.0, failed: int = 0) -> Load:
    return Load(rps, p50, p99, 2 * p99, failed, 100, 0, (0.98 * rps, rps, 1.03 * rps))


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


def serving_results() -> Results:
    """A run that reaches every bar."""
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


def step(rate: float, limit: float = 1000.0, **changed: Any) -> dict[str, Any]:
    """The figures of a service whose capacity is `limit`."""
    over = rate > limit
    figures = {"offered_rps": rate, "goodput_rps": min(rate, limit), "error_share": 0.5 if over else 0.0, "wrong": 0, "shed": 0}
    times = dict.fromkeys(("p50_ms", "p99_ms", "sent_p99_ms", "mean_ms"), 90.0 if over else 1 + rate / limit)
    cost = {"late_p99_ms": 0.5, "cpu_seconds_per_million": 800.0, "peak_mb": 900.0, "accepted": 100, "machine_speed": 50.0}
    return {**figures, **times, **cost, "holds": not over, "client_to_blame": False, **changed}


def capacity_result(*limits: float) -> dict[str, Any]:
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


def windows(memory_per_hour: float = 0.0, last_p99: float = 10.0, **changed: Any) -> list[dict[str, Any]]:
    """An hour in 60 windows."""
    names = {"offered_rps": 100.0, "seconds": 60.0, "goodput_rps": 100.0, "accepted": 6000, "wrong": 0}
    return [
        {
            **names,
            "p50_ms": 2.0,
            "late_p99_ms": 1.5,
            "hours": m / 60,
            "total_mb": 500 + memory_per_hour * m / 60 + m % 2,
            "p99_ms": last_p99 if m > 30 else 10.0,
            **changed,
        }
        for m in range(1, 61)
    ]


def soak_result(**changed: Any) -> dict[str, Any]:
    of = windows(**changed)
    return {**verdict(of), "hours": 1.0, "offered_rps": 100.0, "rows": 100, "workers": 1, "machine": {}, "windows": of}
