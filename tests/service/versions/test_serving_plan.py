"""What must be in memory, as data: no store, no model."""

import pytest

from contract.aliases import Alias, Canary
from service.versions.serving_plan import PINNED, Found, plan_serving

DISK = ["1", "2", "3", "4", "5"]


def alias(*versions: str, canary: str | None = None, shadow: str | None = None) -> Alias:
    return Alias(versions=versions, canary=Canary(version=canary, percent=5.0) if canary else None, shadow=shadow)


def found(
    aliases: dict[str, Alias] | None = None, asked: list[str] | None = None, default: str | None = None, disk: list[str] = DISK
) -> Found:
    """`asked`: versions that requests named, the oldest request first."""
    aliases = aliases or {}
    production = aliases["production"].versions[::-1] if "production" in aliases else ()
    preference = list(dict.fromkeys([*production, *disk[::-1]]))
    return Found(disk, aliases, preference, {version: float(n) for n, version in enumerate(asked or [])}, default)


def test_without_aliases_the_newest_version_answers() -> None:
    plan = plan_serving(found(), keep_previous=1)
    assert (plan.answers, plan.default, plan.needed) == ({}, "5", ["5"])


def test_production_its_previous_version_and_the_newest_are_needed() -> None:
    plan = plan_serving(found({"production": alias("1", "2", "3")}), keep_previous=1)
    assert (plan.answers, plan.default, plan.needed) == ({"production": "3"}, "3", ["3", "2", "5"])


@pytest.mark.parametrize(("keep", "previous"), [(0, []), (1, ["2"]), (2, ["2", "1"]), (9, ["2", "1"])])
def test_as_many_previous_versions_are_needed_as_the_setting_says(keep: int, previous: list[str]) -> None:
    plan = plan_serving(found({"production": alias("1", "2", "1", "2", "3")}, disk=DISK[:3]), keep)
    assert plan.needed == ["3", *previous]


def test_a_failed_version_gives_its_place_to_the_one_that_the_alias_named_before() -> None:
    aliases = {"production": alias("1", "2", "3"), "candidate": alias("2", "4")}
    plan = plan_serving(found(aliases), keep_previous=1, failed={"3", "4"})
    assert (plan.answers, plan.default) == ({"production": "2", "candidate": "2"}, "2")
    assert plan.needed == ["2", "1", "5"]


def test_an_alias_that_names_nothing_usable_answers_nothing() -> None:
    plan = plan_serving(found({"candidate": alias("1")}), keep_previous=1, failed={"1"})
    assert (plan.answers, plan.default) == ({}, "5")


def test_a_version_that_left_the_disk_is_needed_while_an_alias_names_it_but_not_as_a_previous_one() -> None:
    plan = plan_serving(found({"production": alias("0", "1", "9")}), keep_previous=2)  # 9 may be in memory, 0 is gone
    assert plan.needed == ["9", "1", "5"]


def test_versions_on_trial_are_needed_unless_they_failed() -> None:
    aliases = {"production": alias("1", canary="2", shadow="3")}
    assert plan_serving(found(aliases), keep_previous=0).needed == ["1", "2", "3", "5"]
    assert plan_serving(found(aliases), keep_previous=0, failed={"2"}).needed == ["1", "3", "5"]


def test_the_versions_that_requests_named_last_stay() -> None:
    disk = [str(n) for n in range(10, 20)]
    plan = plan_serving(found(asked=disk[:6], disk=disk), keep_previous=0)
    assert plan.pinned == disk[6 - PINNED : 6]
    assert plan.needed == [*plan.pinned, "19"]


def test_a_failed_or_deleted_version_takes_no_pinned_place() -> None:
    disk = [str(n) for n in range(10, 20)]
    plan = plan_serving(found(asked=[*disk[:5], "99", "18"], disk=disk), keep_previous=0, failed={"18"})
    assert plan.pinned == disk[5 - PINNED : 5]


def test_a_failed_newest_version_is_not_replaced_by_the_one_before() -> None:
    plan = plan_serving(found({"production": alias("1")}), keep_previous=0, failed={"5"})
    assert plan.needed == ["1"]


def test_the_version_that_answered_so_far_answers_on_when_no_other_can() -> None:
    plan = plan_serving(found(default="0"), keep_previous=0, failed=set(DISK))
    assert (plan.default, plan.needed) == ("0", ["0"])


def test_a_name_without_a_usable_version_cannot_be_served() -> None:
    plan = plan_serving(found(), keep_previous=0, failed=set(DISK))
    assert (plan.default, plan.needed) == (None, [])
