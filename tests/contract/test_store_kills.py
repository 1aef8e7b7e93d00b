"""Killed writers and racing writers: aliases stay readable and name whole versions."""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import contract.store
from contract import aliases, atomic_files
from contract.store import STAGING, ModelStore
from contract.store_reader import BrokenVersion
from tests.conftest import Publish, make_manifest
from tests.victim import Victim

NAME = "one_to_one"
HERE = "tests.contract.test_store_kills"


def publish_one(root: Path) -> None:
    manifest = make_manifest()

    def fill(staging: Path) -> None:
        folder = staging / manifest.name / manifest.version
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"new")
        (folder / "variables").mkdir()
        (folder / "variables" / "data").write_bytes(b"new")

    store = ModelStore(root)
    store.publish(manifest, fill)
    store.promote(manifest.name, "production", manifest.version)


def promote_oldest_not_named(root: Path) -> None:
    store = ModelStore(root)
    named = store.aliases(NAME)["production"].named
    store.promote(NAME, "production", next(version for version in store.versions(NAME) if version not in named))


def roll_back(root: Path) -> None:
    ModelStore(root).rollback(NAME, "production")


def delete_oldest(root: Path) -> None:
    store = ModelStore(root)
    store.delete(NAME, store.versions(NAME)[0])


def check_whole(store: ModelStore) -> None:
    """Check that everything a reader may find is whole."""
    for version in store.versions(NAME):
        store.verify(NAME, version)
    for alias in store.aliases(NAME).values():
        for version in alias.named:
            store.verify(NAME, version)
    store.verify(NAME, (store.root / NAME / "latest").read_text())


def kill_at_every_write(store: ModelStore, function: Callable[[Path], None]) -> int:
    """The number of kills before the function succeeded."""
    with Victim(f"{HERE}:{function.__name__}", store.root) as victim:
        for kills in itertools.count():
            victim.start(kill_at=kills + 1)
            code = victim.exit_code()
            check_whole(store)
            if code == 0:
                return kills
            assert code == -signal.SIGKILL
    raise AssertionError


def leftovers(store: ModelStore) -> list[Path]:
    return [*(store.root.parent / STAGING).glob("[!.]*"), *store.root.rglob("*.tmp")]


def test_killed_at_any_write_of_publishing(store: ModelStore, publish: Publish) -> None:
    before = publish().version
    assert kill_at_every_write(store, publish_one) > 15  # a kill at every write
    assert store.aliases(NAME)["production"].version > before
    assert publish().version in store.versions(NAME)
    assert leftovers(store) == []  # the files of killed writers are removed


def test_killed_at_any_write_of_promoting(store: ModelStore, publish: Publish) -> None:
    publish()
    second, third = publish().version, publish().version
    store.promote(NAME, "production", second)
    store.set_canary(NAME, "production", third, 5)
    assert kill_at_every_write(store, promote_oldest_not_named) > 4
    assert store.aliases(NAME)["production"].canary is None
    assert leftovers(store) == []


def test_killed_at_any_write_of_rolling_back(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    for _ in range(10):
        store.promote(NAME, "production", first)
        store.promote(NAME, "production", second)
    assert kill_at_every_write(store, roll_back) > 4
    assert len(store.aliases(NAME)["production"].versions) < 20
    assert leftovers(store) == []


def test_killed_at_any_write_of_deleting(store: ModelStore, publish: Publish) -> None:
    versions = [publish().version for _ in range(20)]
    for version in versions:
        store.promote(NAME, "production", version)
    assert kill_at_every_write(store, delete_oldest) > 12
    left = store.versions(NAME)
    assert left == versions[-len(left) :]
    assert store.aliases(NAME)["production"].versions == tuple(left)
    assert leftovers(store) == []


def test_publishers_at_once_do_not_disturb_each_other(store: ModelStore) -> None:
    function = f"{HERE}:publish_one"
    with Victim(function, store.root) as one, Victim(function, store.root) as two, Victim(function, store.root) as three:
        for publisher in (one, two, three):
            publisher.start()
        assert [publisher.exit_code() for publisher in (one, two, three)] == [0, 0, 0]
    assert len(store.versions(NAME)) == 3
    check_whole(store)
    assert len(store.aliases(NAME)["production"].history) == 3


PROMOTIONS = 250  # by each of the two promoters; twice as many take four times as long, since each writes all of history
SPARE = 10


@contextmanager
def without_bounds() -> Iterator[None]:
    """Keep all of history, to count it. Force nothing to disk, since a race needs no protection against loss of power."""
    with (
        patch.object(aliases, "HISTORY", 4 * PROMOTIONS),
        patch.object(atomic_files, "sync"),
        patch.object(contract.store, "sync"),
    ):
        yield


def promote_even(root: Path) -> None:
    promote_often(root, 0)


def promote_odd(root: Path) -> None:
    promote_often(root, 1)


def promote_often(root: Path, mine: int) -> None:
    """Promote two versions by turns, and sometimes one that the deleter wants to delete."""
    store = ModelStore(root)
    versions = (root.parent / "versions").read_text().split()
    spare, own = versions[mine:SPARE:2], versions[SPARE + mine :: 2]
    promoted = []
    try:
        with without_bounds():
            for number in range(PROMOTIONS):
                store.promote(NAME, "production", own[number % 2])
                promoted.append(own[number % 2])
                if number % 20 == 0 and spare:
                    promoted += promote_spare(store, spare)
    finally:  # the other processes wait for this file
        (root.parent / f"promoted-{mine}").write_text("\n".join(promoted))


def promote_spare(store: ModelStore, spare: list[str]) -> list[str]:
    """Promote the first of `spare`, or take it out of them where it was deleted. What was promoted."""
    try:
        store.promote(NAME, "production", spare[0])
    except BrokenVersion:
        del spare[0]
        return []
    return spare[:1]


def delete_spare(root: Path) -> None:
    """Delete each spare version once it was promoted, and all at the end. The store refuses while an alias names it."""
    store = ModelStore(root)
    spare = (root.parent / "versions").read_text().split()[:SPARE]
    with without_bounds():
        while not done(root):
            promoted = store.aliases(NAME)["production"].versions
            for version in [version for version in spare if version in promoted]:
                try:
                    store.delete(NAME, version)
                    spare.remove(version)
                except BrokenVersion as refused:
                    assert "is in use as production" in str(refused)  # noqa: PT017 - it is not always refused
        for version in spare:
            store.delete(NAME, version)


def done(root: Path) -> bool:
    """Whether both promoters are done."""
    return all((root.parent / f"promoted-{mine}").exists() for mine in (0, 1))


def test_promoters_and_a_deleter_that_race_lose_nothing(store: ModelStore, publish: Publish) -> None:
    versions = [publish().version for _ in range(SPARE + 4)]
    (store.root.parent / "versions").write_text("\n".join(versions))
    store.promote(NAME, "production", versions[-1])
    racers = [Victim(f"{HERE}:{function}", store.root) for function in ("promote_even", "promote_odd", "delete_spare")]
    reads = 0
    with racers[0], racers[1], racers[2]:
        for racer in racers:
            racer.start()
        while not done(store.root):
            alias = store.aliases(NAME)["production"]
            try:
                store.verify(NAME, alias.version)
            except BrokenVersion:  # deleted in between, after the promotion of another version
                assert store.aliases(NAME)["production"] != alias
            reads += 1
        assert [racer.exit_code() for racer in racers] == [0, 0, 0]
    assert reads > 100
    assert store.versions(NAME) == versions[SPARE:]
    check_whole(store)
    alias = store.aliases(NAME)["production"]
    happened = [event.version for event in alias.history if event.what == "promote"]
    for mine in (0, 1):
        own = {*versions[mine:SPARE:2], *versions[SPARE + mine :: 2]}
        promoted = (store.root.parent / f"promoted-{mine}").read_text().split()
        assert len(promoted) > PROMOTIONS
        assert [version for version in happened[1:] if version in own] == promoted
    assert set(alias.versions) <= set(versions[SPARE:])
    assert [event.at for event in alias.history] == sorted(event.at for event in alias.history)
