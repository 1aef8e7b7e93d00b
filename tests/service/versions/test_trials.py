from datetime import UTC, datetime

import numpy as np
import pytest

from contract.manifest import Manifest
from contract.rows import Rows
from service.runtime.loaded_model import LoadedModel
from service.telemetry import metrics
from service.versions.trials import EDGES, ENOUGH, ENOUGH_FOR_A_TAIL, Side, Trial, quantile
from tests.conftest import make_manifest, quantity
from tests.service.conftest import BARS, FakeRuntime, fake_model
from tests.service.own_models import OWN, manifest_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def canary() -> Trial:
    return Trial("canary", "production", fake_model("one_to_one"), fake_model("one_to_one"), 5.0, NOW)


def compare(trial: Trial, rows: list[list[float]], off: list[float], in_domain: list[bool] | None = None) -> None:
    asked = Rows.of(rows)
    counts = np.array(in_domain or [True] * len(rows))
    trial.compared(asked, asked.values, asked.values + np.asarray(off, np.float32)[:, None], counts, 0.05)


def test_rows_differ_by_their_worst_item_and_past_the_tolerance() -> None:
    trial = canary()
    compare(trial, [[0.1, 0.2], [0.3], [0.4, 0.5]], [0.0, -0.25, 0.03125, 0.0, 0.5])
    assert (trial.rows, trial.past, trial.largest, trial.total) == (3, 2, 0.5, 0.78125)


def test_a_version_in_place_that_only_fails_has_no_tail() -> None:
    trial = canary()
    for _ in range(ENOUGH_FOR_A_TAIL):
        trial.failed("baseline")
        trial.answered("candidate", 10 * BARS.tail_floor)
    assert trial.verdict(BARS) is None
    for _ in range(ENOUGH_FOR_A_TAIL):
        trial.answered("baseline", 1e-3)
    assert "p99" in str(trial.verdict(BARS))


def test_rows_outside_the_domain_are_left_out() -> None:
    trial = canary()
    compare(trial, [[5.0, 0.2], [0.3]], [3.0, 0.0, 0.0], [False, True])
    compare(trial, [[5.0]], [3.0], [False])
    assert (trial.rows, trial.past, trial.largest) == (1, 0, 0.0)


def test_the_tolerance_is_in_widths_of_the_domain() -> None:
    trial = canary()
    object.__setattr__(trial.baseline, "manifest", make_manifest(features=[quantity("value", -100.0, 100.0)]))
    compare(trial, [[1.0], [2.0]], [9.0, 11.0])
    assert (trial.rows, trial.past) == (2, 1)


def test_a_nan_answer_counts_as_different_and_makes_no_figure_nan() -> None:
    trial = canary()
    compare(trial, [[0.5], [0.25]], [float("nan"), 0.25])
    compare(trial, [[0.5]], [float("nan")])
    assert (trial.rows, trial.past, trial.largest, trial.total) == (3, 3, 0.25, 0.25)


def of(manifest: Manifest) -> Trial:
    """Of two versions with this manifest."""
    one, other = (LoadedModel(manifest, FakeRuntime(manifest.topology)) for _ in range(2))
    return Trial("shadow", "production", one, other, 100.0, NOW)


@pytest.mark.parametrize("name", ["stocks", "next"])
def test_numbers_differ_by_the_tolerance_of_their_own_target(name: str) -> None:
    """x is 6 wide and y 60, so that 0.05 of them are 0.3 and 3."""
    own = OWN[name]
    trial = of(manifest_of(name, own))
    rows = Rows.of([[[0, 0], [0, 0]], [[0, 0]], [[0, 0]]], 2)
    one = np.zeros((len(rows.values) if name == "next" else 3, own.network.outputs), np.float32)
    other = one.copy()
    other[0, :2] = 0.25, 2.5  # within the tolerance of both
    other[-1, -2] = 0.5  # not within that of x
    trial.compared(rows, one, other, np.full(3, True), 0.05)
    assert (trial.rows, trial.past, trial.largest) == (3, 1, 2.5)


@pytest.mark.parametrize(("name", "lines"), [("walks", [0, 1, 2]), ("sides", [0, 2, 3])])
def test_classes_differ_by_their_labels_however_far_the_probabilities_are_apart(name: str, lines: list[int]) -> None:
    """`lines`: of the answer, one of each row."""
    own = OWN[name]
    trial = of(manifest_of(name, own))
    rows = Rows.of([[[0, 0], [0, 0]], [[0, 0]], [[0, 0]]], 2)
    one = np.zeros((3 if name == "walks" else 4, own.network.outputs), np.float32)
    one[:, 0] = 1.0
    other = one.copy()
    other[lines[0], :2] = 0.625, 0.375  # the same label
    other[lines[1], :2] = 0.25, 0.75
    trial.compared(rows, one, other, np.full(3, True), 1e-9)
    assert (trial.rows, trial.past, trial.largest) == (3, 1, 0.75)
    assert (trial.answers, trial.answers_past) == (3 if name == "walks" else 4, 1)
    for _ in range(ENOUGH):
        trial.compared(rows, one, other, np.full(3, True), 1e-9)
    assert trial.verdict(BARS) is None  # two good models of noisy data differ
    assert trial.verdict(BARS._replace(differences=0.01)) == "6 of 18 rows differ in a label"


def test_only_an_operators_bar_ends_a_canary_for_numbers_that_differ() -> None:
    own = OWN["stocks"]
    trial = of(manifest_of("stocks", own))
    rows = Rows.of([[[0, 0]]] * 10, 2)
    one = np.zeros((10, own.network.outputs), np.float32)
    trial.compared(rows, one, one + 50, np.full(10, True), 0.05)
    assert (trial.rows, trial.past, trial.verdict(BARS)) == (10, 10, None)
    assert str(trial.verdict(BARS._replace(differences=0.5))).startswith("10 of 10 rows differ by more than 0.05")


def test_steps_that_differ_are_counted_beside_their_rows_within_the_domain() -> None:
    trial = of(manifest_of("sides", OWN["sides"]))
    rows = Rows.of([[[0, 0]] * 8, [[0, 0]] * 2], 2)
    one = np.zeros((10, OWN["sides"].network.outputs), np.float32)
    one[:, 0] = 1.0
    other = one.copy()
    other[[0, 5, 9]] = one[0, ::-1]
    trial.compared(rows, one, other, np.array([True, False]), 0.05)
    assert (trial.rows, trial.past, trial.answers, trial.answers_past) == (1, 1, 8, 2)


def test_no_requests_give_no_verdict() -> None:
    assert canary().verdict(BARS) is None


def test_failed_requests_end_a_canary_once_they_are_enough_and_too_large_a_share() -> None:
    trial = canary()
    for _ in range(ENOUGH - 1):
        trial.failed("candidate")
    assert trial.verdict(BARS) is None
    trial.failed("candidate")
    assert trial.verdict(BARS) == "5 of 5 requests failed"
    for _ in range(500):
        trial.answered("candidate", 0.001)
    assert trial.verdict(BARS) is None  # 5 of 505 is less than 1 %


def test_failures_of_the_version_in_place_do_not_end_a_canary() -> None:
    trial = canary()
    for _ in range(50):
        trial.failed("baseline")
    assert trial.verdict(BARS) is None


def test_differing_rows_end_a_canary() -> None:
    trial = canary()
    compare(trial, [[0.1]] * 4, [0.25] * 4)
    assert trial.verdict(BARS) is None
    compare(trial, [[0.1]] * 6, [0.25, *[0.0] * 5])
    assert trial.verdict(BARS) == "5 of 10 rows differ by more than 0.05 of the domain, the largest by 0.25"
    compare(trial, [[0.1]] * 990, [0.0] * 990)
    assert trial.verdict(BARS) is None


@pytest.mark.parametrize(
    ("baseline", "candidate", "said"),
    [
        (0.001, 0.040, None),  # three times is allowed, and whatever is under the floor
        (0.001, 0.080, "p99 "),
        (0.040, 0.080, None),
        (0.040, 0.200, "p99 "),
    ],
)
def test_a_long_tail_ends_a_canary(baseline: float, candidate: float, said: str | None) -> None:
    trial = canary()
    for _ in range(ENOUGH_FOR_A_TAIL - 1):
        trial.answered("baseline", baseline)
        trial.answered("candidate", candidate)
    assert trial.verdict(BARS) is None
    trial.answered("baseline", baseline)
    trial.answered("candidate", candidate)
    verdict = trial.verdict(BARS)
    assert verdict is None if said is None else str(verdict).startswith(said)


def test_requests_that_never_return_end_a_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("service.versions.trials.time.perf_counter", lambda: now)
    trial = canary()
    for _ in range(ENOUGH_FOR_A_TAIL):
        trial.answered("baseline", 0.001)
    waiting = [trial.timed("candidate") for _ in range(ENOUGH)]
    for n, each in enumerate(waiting):
        now = 100.0 + n * 1e-6
        each.__enter__()
    now = 100.04
    assert trial.verdict(BARS) is None
    now = 100.2
    assert trial.verdict(BARS) == "5 requests have been waiting for more than 50 ms"
    waiting[0].__exit__(None, None, None)
    assert trial.verdict(BARS) is None


def test_a_request_is_timed_and_a_failed_one_counts_only_if_the_caller_says_so() -> None:
    trial = canary()
    errors = metrics.trial_errors.labels("one_to_one", trial.candidate.manifest.version, "canary")
    for side in ("candidate", "baseline"):
        with trial.timed(side):
            pass
        with pytest.raises(ValueError), trial.timed(side):  # noqa: PT011
            raise ValueError
        assert (trial.sides[side].requests, trial.sides[side].errors, trial.sides[side].seconds.sum()) == (1, 0, 1)
        trial.failed(side)
        assert (trial.sides[side].requests, trial.sides[side].errors) == (2, 1)
    assert errors._value.get() == 1  # the candidate's alone
    assert trial._pending == set()


def test_a_quantile_of_the_histogram_is_at_most_an_eighth_too_high() -> None:
    seconds = np.random.default_rng(1).lognormal(-6, 1, 5000)
    side = Side()
    for each in seconds:
        side.answered(float(each))
    for share in (0.5, 0.99):
        exact = float(np.quantile(seconds, share))
        assert exact * 0.99 <= quantile(side.seconds, share) < exact * 1.13


def test_the_quantile_of_an_empty_histogram_is_0_and_beyond_the_scale_its_end() -> None:
    assert quantile(Side().seconds, 0.99) == 0.0
    side = Side()
    side.answered(1e6)
    assert quantile(side.seconds, 0.5) == EDGES[-1]


def test_a_trial_goes_on_only_if_nothing_about_it_changed() -> None:
    trial = canary()
    same = (trial.baseline, trial.candidate, 5.0, NOW)
    assert trial.same("canary", *same)
    assert not trial.same("shadow", *same)
    assert not trial.same("canary", trial.candidate, *same[1:])
    assert not trial.same("canary", *same[:2], 6.0, NOW)
    assert not trial.same("canary", *same[:3], NOW.replace(year=2027))
