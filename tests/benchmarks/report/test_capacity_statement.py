import pytest

from benchmarks.report.capacity_statement import comparison, knee, statement
from tests.benchmarks.report.figures import capacity_result


def test_the_statement_tells_rate_interval_knee_goodput_cost_and_client() -> None:
    said = "\n".join(statement(capacity_result(990.0, 1000.0, 1010.0)))
    for part in ("sustains 1,000 (95% interval 975 to 1,025)", "100% at 2 times", "cost 800 ", "900 MB", "not the bottleneck"):
        assert part in said
    assert knee(capacity_result(1000.0)["arrivals"]["poisson"][0])["offered_rps"] == 1000


def test_the_statement_says_when_the_client_was_the_bottleneck() -> None:
    found = capacity_result(1000.0, 1000.0)
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
    assert words in comparison(capacity_result(*A), capacity_result(*second))[0]


def test_the_comparison_tells_a_faster_machine_from_a_faster_service() -> None:
    found = capacity_result(*(1.2 * limit for limit in A))
    for repeat in found["arrivals"]["poisson"]:
        for one in repeat["steps"]:
            one["machine_speed"] *= 1.2
    apart, alike = comparison(capacity_result(*A), found)[:2]
    assert "the difference is real: 1,000 then 1,200 requests/s" in apart
    assert "change of speed (+20.0%): the difference may be chance: 1,000 then 1,000 requests/s" in alike


def test_the_statement_also_has_an_interval_without_the_machines_changes_of_speed() -> None:
    found = capacity_result(900.0, 1000.0, 1100.0)
    for repeat, speed in zip(found["arrivals"]["poisson"], (45.0, 50.0, 55.0), strict=True):
        for one in repeat["steps"]:
            one["machine_speed"] = speed
    said = "\n".join(statement(found))
    assert "sustains 1,000 (95% interval 752 to 1,248)" in said
    assert "1,000 (95% interval 1,000 to 1,000) requests/s; a fixed piece of work" in said
    assert "1.22 times as fast at its fastest" in said


@pytest.mark.parametrize(("first", "second", "least"), [(3, 3, "0.10"), (1, 5, "0.33"), (2, 4, "0.13")])
def test_too_few_repeats_get_no_verdict_but_the_number_that_is_needed(first: int, second: int, least: str) -> None:
    said = comparison(capacity_result(*A[:first]), capacity_result(*(2 * limit for limit in A[:second])))
    assert len(said) == 3
    for line in said[:2]:
        assert "too few repeats: run at least 4 of each" in line
        assert f"p of {first} against {second} repeats cannot be below {least}, and 0.05 is needed" in line
        assert "the difference" not in line


def test_as_many_repeats_as_it_asks_for_are_enough() -> None:
    said = comparison(capacity_result(*A[:4]), capacity_result(*(2 * limit for limit in A[:4])))
    assert "the difference is real: 1,001 then 2,002" in said[0]
