from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from contract import aliases
from contract.aliases import Alias, Canary


def happened(alias: Alias) -> list[tuple[str, str, str]]:
    return [(event.what, event.version, event.reason) for event in alias.history]


def test_a_promotion_keeps_the_earlier_version_and_an_event() -> None:
    alias = Alias.first("1").promoted("2")
    assert (alias.version, alias.versions, alias.named) == ("2", ("1", "2"), {"2"})
    assert happened(alias) == [("promote", "1", ""), ("promote", "2", "")]
    assert all(event.at.tzinfo is UTC and event.at <= datetime.now(UTC) for event in alias.history)


def test_promoting_the_current_version_changes_nothing() -> None:
    alias = Alias.first("1").with_canary(Canary(version="2", percent=5))
    assert alias.promoted("1") is alias


def test_a_promotion_ends_the_canary_and_a_shadow_of_that_version() -> None:
    alias = Alias.first("1").with_canary(Canary(version="2", percent=5)).with_shadow("3")
    assert alias.named == {"1", "2", "3"}
    assert alias.promoted("2").named == {"2", "3"}
    assert alias.promoted("3").named == {"3"}


def test_a_rollback_ends_the_canary_and_goes_to_the_last_place_of_a_version() -> None:
    alias = Alias.first("1").promoted("2").promoted("1").promoted("3").with_canary(Canary(version="4", percent=5))
    back = alias.rolled_back("1")
    assert (back.versions, back.canary) == (("1", "2", "1"), None)
    assert happened(back)[-2:] == [("withdraw", "4", "canary: rollback"), ("rollback", "1", "from 3")]
    assert back.rolled_back("2").rolled_back("1").versions == ("1",)


def test_a_rollback_to_its_own_shadow_ends_the_shadow() -> None:
    alias = Alias.first("1").promoted("2").with_shadow("1")
    assert alias.rolled_back("1").named == {"1"}
    assert Alias.first("1").promoted("2").with_shadow("3").rolled_back("1").named == {"1", "3"}


def test_a_new_trial_replaces_the_old_and_the_same_trial_is_no_event() -> None:
    alias = Alias.first("1").with_canary(Canary(version="2", percent=5)).with_shadow("3")
    assert alias.with_canary(Canary(version="2", percent=5)) is alias
    assert alias.with_shadow("3") is alias
    assert alias.with_canary(Canary(version="4", percent=12.5)).trials == {"canary": "4", "shadow": "3"}
    assert happened(alias.with_canary(Canary(version="2", percent=50)))[-1] == ("canary", "2", "50 %")


def test_withdrawing_ends_only_the_asked_trial_of_the_asked_version() -> None:
    alias = Alias.first("1").with_canary(Canary(version="2", percent=5)).with_shadow("2")
    both = alias.withdrawn(canary=True, shadow=True, version=None, reason="by hand")
    assert (both.trials, happened(both)[-2:]) == (
        {},
        [("withdraw", "2", "canary: by hand"), ("withdraw", "2", "shadow: by hand")],
    )
    assert alias.withdrawn(canary=True, shadow=False, version="2", reason="").trials == {"shadow": "2"}
    assert alias.withdrawn(canary=True, shadow=True, version="9", reason="") is alias
    first = Alias.first("1")
    assert first.withdrawn(canary=True, shadow=True, version=None, reason="") is first


def test_without_a_deleted_version_no_version_comes_twice_in_a_row() -> None:
    alias = Alias.first("1").promoted("2").promoted("1").promoted("2").promoted("3")
    assert alias.without("1").versions == ("2", "3")
    assert happened(alias.without("1"))[-1] == ("delete", "1", "")
    assert alias.without("9") is alias


def test_uses_are_told_in_words() -> None:
    alias = Alias.first("1").with_canary(Canary(version="2", percent=5)).with_shadow("2")
    both = {"production": alias, "candidate": Alias.first("2")}
    assert aliases.uses_of("1", both) == "production"
    assert aliases.uses_of("2", both) == "candidate, canary of production, shadow of production"
    assert aliases.uses_of("3", both) == ""


def test_history_and_earlier_versions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "HISTORY", 3)
    alias = Alias.first("0")
    for version in "12345":
        alias = alias.promoted(version)
    assert (alias.versions, [event.version for event in alias.history]) == (("3", "4", "5"), ["3", "4", "5"])


@pytest.mark.parametrize("percent", [0, 100, -1, float("nan")])
def test_a_canary_takes_more_than_0_and_less_than_100_percent(percent: float) -> None:
    with pytest.raises(ValidationError):
        Canary(version="2", percent=percent)


@pytest.mark.parametrize("written", ['{"versions": []}', '{"versions": ["1"], "owner": "me"}', '["1"]'])
def test_malformed_aliases_are_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        Alias.model_validate_json(written)


def test_an_alias_survives_being_written() -> None:
    alias = Alias.first("1").promoted("2").with_canary(Canary(version="3", percent=0.5)).with_shadow("1")
    assert Alias.model_validate_json(alias.model_dump_json()) == alias
