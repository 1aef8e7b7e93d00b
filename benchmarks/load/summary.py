"""Figures about the requests of an open loop."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.load.open_loop import Outcome


def summary(outcomes: Sequence[Outcome], unsent: int, begun: float, rate: float, seconds: float) -> dict[str, Any]:
    """Figures for one rate. Goodput counts right answers that came before the last request was due."""
    accepted = [outcome for outcome in outcomes if outcome.status == 200]
    shed = [outcome for outcome in outcomes if outcome.status == 429]
    good = sum(outcome.right and outcome.due + outcome.took <= begun + seconds for outcome in accepted)
    arrivals = round(rate * seconds)
    return {
        "offered_rps": rate,
        "seconds": seconds,
        "sent_rps": len(outcomes) / seconds,
        "goodput_rps": good / seconds,
        "accepted": len(accepted),
        "shed": len(shed),
        "other": len(outcomes) - len(accepted) - len(shed),
        "unsent": unsent,
        "unanswered": max(0, arrivals - unsent - len(outcomes)),
        "wrong": sum(not outcome.right for outcome in accepted),
        "without_retry_after": sum(not outcome.retry_after for outcome in shed),
        "p50_ms": percentile([outcome.took for outcome in accepted], 50),
        "p99_ms": percentile([outcome.took for outcome in accepted], 99),
        "shed_p99_ms": percentile([outcome.took for outcome in shed], 99),
        "late_p99_ms": percentile([outcome.late for outcome in outcomes], 99),
    }


def percentile(seconds: Sequence[float], number: int) -> float | None:
    """Milliseconds; None when there are no values."""
    if len(seconds) < 2:
        return seconds[0] * 1e3 if seconds else None
    return statistics.quantiles(seconds, n=100, method="inclusive")[number - 1] * 1e3
