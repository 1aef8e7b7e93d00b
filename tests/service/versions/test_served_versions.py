from datetime import UTC, datetime

import pytest

from service.runtime.loaded_model import LoadedModel
from service.versions.served_versions import ServedVersions
from service.versions.trials import Trial
from tests.service.conftest import fake_model

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def served(percent: float = 5.0) -> tuple[ServedVersions, LoadedModel, LoadedModel]:
    old, new = fake_model("one_to_one"), fake_model("one_to_one")
    versions = {model.manifest.version: model for model in (old, new)}
    aliases = {"production": old.manifest.version, "candidate": new.manifest.version}
    canary = Trial("canary", "production", old, new, percent, NOW)
    shadow = Trial("shadow", "production", old, new, 100.0, NOW)
    return ServedVersions(versions, aliases, old, {"production": canary}, {"production": shadow}), old, new


def test_a_version_that_is_named_answers_itself_and_is_on_no_trial() -> None:
    everything, old, new = served(99.0)
    for model in (old, new):
        for _ in range(100):
            choice = everything.choose(model.manifest.version, None)
            assert choice is not None
            assert (choice.model, choice.canary, choice.shadow) == (model, None, None)


def test_an_alias_answers_with_its_version_and_has_its_own_trials() -> None:
    everything, _, new = served(99.0)
    choice = everything.choose("candidate", "any")
    assert choice is not None
    assert (choice.model, choice.canary, choice.shadow, choice.on_trial) == (new, None, None, False)


def test_production_means_the_default_if_no_alias_exists() -> None:
    model = fake_model("one_to_one")
    choice = ServedVersions({model.manifest.version: model}, {}, model, {}, {}).choose("production", None)
    assert choice is not None
    assert choice.model is model


def test_a_version_that_is_not_in_memory_is_not_chosen() -> None:
    assert served()[0].choose("20990101", "any") is None


@pytest.mark.parametrize("wanted", [None, "production"])
@pytest.mark.parametrize("keyed", [True, False])
def test_a_canary_answers_its_share_within_a_point_of_20_000_requests(wanted: str | None, keyed: bool) -> None:
    everything, old, new = served(5.0)
    choices = [everything.choose(wanted, f"user {n}" if keyed else None) for n in range(20_000)]
    drawn = [choice for choice in choices if choice is not None and choice.on_trial]
    assert 800 < len(drawn) < 1200
    assert {choice.model for choice in drawn} == {new}
    others = [choice for choice in choices if choice is not None and not choice.on_trial]
    assert {(c.model, c.canary is not None, c.shadow is not None) for c in others} == {(old, True, True)}


def test_a_key_always_gets_the_same_side_and_a_larger_share_keeps_the_keys_of_a_smaller() -> None:
    everything, old, new = served(30.0)
    wider = Trial("canary", "production", old, new, 60.0, NOW)
    for n in range(500):
        sides = {choice.on_trial for _ in range(5) if (choice := everything.choose(None, f"user {n}")) is not None}
        assert len(sides) == 1
        if sides == {True}:
            assert wider.draws(f"user {n}")


def test_other_candidates_get_other_keys() -> None:
    first, second = (served(50.0)[0].canaries["production"] for _ in range(2))
    both = sum(first.draws(str(n)) == second.draws(str(n)) for n in range(2000))
    assert 800 < both < 1200


def test_a_canary_that_has_ended_answers_no_request() -> None:
    everything, old, _ = served(99.0)
    everything.canaries["production"].ended = True
    for n in range(100):
        for key in (None, str(n)):
            choice = everything.choose(None, key)
            assert choice is not None
            assert choice.model is old
