"""Canaries and shadows, from the store to memory and back."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from contract.aliases import HISTORY
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from service.telemetry import metrics
from tests.conftest import Publish
from tests.service.registries import default, loaded, publish_wrong


def test_trials_come_from_the_store_and_keep_their_figures(store: ModelStore, publish: Publish) -> None:
    first, second, third = (publish().version for _ in range(3))
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    store.set_canary("one_to_one", "production", second, 25.0)
    store.set_shadow("one_to_one", "production", third)
    registry.refresh()
    served = registry.served["one_to_one"]
    canary, shadow = served.canaries["production"], served.shadows["production"]
    assert [(t.kind, t.baseline.manifest.version, t.candidate.manifest.version, t.percent) for t in registry.trials] == [
        ("canary", first, second, 25.0),
        ("shadow", first, third, 100.0),
    ]
    registry.refresh()
    assert registry.trials == [canary, shadow]
    store.set_canary("one_to_one", "production", second, 50.0)  # another trial
    registry.refresh()
    again = registry.served["one_to_one"].canaries["production"]
    assert (again.percent, again is canary, registry.served["one_to_one"].shadows["production"] is shadow) == (
        50.0,
        False,
        True,
    )
    store.promote("one_to_one", "production", second)
    store.withdraw("one_to_one", "production", canary=False, shadow=True)
    registry.refresh()
    assert registry.trials == []


def test_a_broken_version_is_not_put_on_trial(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    store.set_canary("one_to_one", "production", publish_wrong(store), 50.0)
    registry.refresh()
    assert (registry.trials, default(registry), len(registry.refusals)) == ([], first, 1)


def test_a_trial_outlives_the_history_of_its_alias(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_shadow("one_to_one", "production", second)
    alias = store.aliases("one_to_one")["production"]
    shorter = alias.model_copy(update={"history": (alias.history[0],) * HISTORY})
    (store.root / "one_to_one" / "aliases.json").write_text(f'{{"production": {shorter.model_dump_json()}}}')
    registry = loaded(store)
    (shadow,) = registry.trials
    registry.refresh()
    assert registry.trials == [shadow]


def test_rollbacks_are_counted_from_0_so_that_an_alert_sees_the_first(store: ModelStore, publish: Publish) -> None:
    publish()
    metrics.canary_rollbacks.clear()  # of other tests
    loaded(store)
    assert REGISTRY.get_sample_value("unroll_canary_rollbacks_total", {"model": "one_to_one"}) == 0


def test_a_canary_that_failed_is_withdrawn_for_all_workers(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    here, there = loaded(store), loaded(store)
    (trial,) = here.trials
    rollbacks = metrics.canary_rollbacks.labels("one_to_one")
    before = rollbacks._value.get()
    here.end_canary(trial, "too slow")
    here.end_canary(trial, "too slow")  # two requests saw it at once
    there.end_canary(there.trials[0], "too slow")  # and so did another worker
    there.refresh()
    assert (here.trials, there.trials, trial.draws("any")) == ([], [], False)
    alias = store.aliases("one_to_one")["production"]
    assert (alias.version, alias.canary) == (first, None)
    assert [(e.what, e.version, e.reason) for e in alias.history][2:] == [("withdraw", second, "canary: too slow")]
    assert rollbacks._value.get() == before + 2
    store.set_canary("one_to_one", "production", second, 50.0)  # tried again: a trial of its own
    here.refresh()
    assert len(here.trials) == 1


def test_a_canary_ends_here_at_once_and_in_the_store_once_it_can_be_written(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    registry = loaded(store)

    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(store, "withdraw", full)
        registry.end_canary(registry.trials[0], "too slow")
        for _ in range(3):
            registry.refresh()
        assert registry.trials == []
        assert store.aliases("one_to_one")["production"].canary is not None
    assert [record.message for record in caplog.records if "could not be written" in record.message] == [
        "the canary ended in this worker only, the store could not be written: [Errno 28] No space left on device"
    ]
    registry.refresh()  # the disk has room again
    alias = store.aliases("one_to_one")["production"]
    assert (alias.canary, alias.history[-1].reason) == (None, "canary: too slow")


def test_a_withdrawal_that_is_owed_waits_for_a_store_that_is_away(store: ModelStore, publish: Publish, tmp_path: Path) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    registry = loaded(store)
    (trial,) = registry.trials
    store.root.rename(tmp_path / "away")
    registry.end_canary(trial, "too slow")
    registry.refresh()
    (tmp_path / "away").rename(store.root)
    aliases = store.root / "one_to_one" / "aliases.json"
    readable = aliases.read_bytes()
    aliases.write_text("?")
    registry.refresh()
    aliases.write_bytes(readable)
    assert store.aliases("one_to_one")["production"].canary is not None
    registry.refresh()
    assert store.aliases("one_to_one")["production"].canary is None


def test_a_withdrawal_that_is_owed_ends_no_later_trial(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    registry = loaded(store)

    def busy(*_: object, **__: object) -> bool:
        raise BrokenVersion("aliases.json cannot be read")

    with monkeypatch.context() as disk:
        disk.setattr(store, "withdraw", busy)
        registry.end_canary(registry.trials[0], "too slow")
    store.set_canary("one_to_one", "production", second, 40.0)  # an operator tries again
    registry.refresh()
    registry.refresh()
    assert store.aliases("one_to_one")["production"].canary is not None
    assert len(registry.trials) == 1
