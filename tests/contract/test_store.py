from pathlib import Path

import pytest

from contract.store import STAGING, ModelStore, new_version
from tests.conftest import Publish


def test_a_published_version_is_whole_and_names_its_files(store: ModelStore, publish: Publish) -> None:
    manifest = publish()
    assert store.names() == ["one_to_one"]
    assert store.versions("one_to_one") == [manifest.version]
    assert store.verify("one_to_one", manifest.version) == manifest
    assert list(manifest.files) == ["weights"]
    assert not list((store.root.parent / STAGING).glob("[!.]*"))


def test_versions_sort_by_time_and_latest_is_for_bentoml(store: ModelStore, publish: Publish) -> None:
    versions = [publish().version for _ in range(3)]
    assert store.versions("one_to_one") == versions
    assert (store.root / "one_to_one" / "latest").read_text() == versions[-1]


def test_a_slow_writer_of_an_older_version_does_not_take_latest_back(store: ModelStore, publish: Publish) -> None:
    older = new_version()
    newer = publish().version
    publish(version=older)
    assert (store.root / "one_to_one" / "latest").read_text() == newer


def test_a_failing_writer_publishes_nothing(store: ModelStore, publish: Publish) -> None:
    before = publish().version

    def fill(_staging: Path) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store.publish(store.verify("one_to_one", before).model_copy(update={"version": new_version()}), fill)
    assert store.versions("one_to_one") == [before]
    assert not list((store.root.parent / STAGING).glob("[!.]*"))


def test_publishing_leaves_the_users_own_staging_folder_alone(store: ModelStore, publish: Publish) -> None:
    mine = store.root.parent / "staging" / "website"
    mine.mkdir(parents=True)
    (mine / "index.html").write_text("mine")
    (mine.parent / ".upload.tmp").write_text("mine")
    version = publish().version
    publish()
    store.delete("one_to_one", version)
    assert {path.name for path in mine.parent.iterdir()} == {"website", ".upload.tmp"}
    assert (mine / "index.html").read_text() == "mine"
