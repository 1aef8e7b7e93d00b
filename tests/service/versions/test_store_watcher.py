"""A real folder, and what its file system announces. `looks` are awaited; only what failed takes the whole of PATIENCE."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.versions.store_watcher import StoreWatcher

PATIENCE = 30.0


class Looks:
    """Remembers what was in a folder when it was looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._seen = folder, threading.Condition()
        self.names: list[set[str]] = []
        self.failing = False

    def __call__(self) -> None:
        with self._seen:
            self.names.append({path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*")})
            self._seen.notify_all()
        if self.failing:
            raise OSError("the volume is gone")

    def wait_for(self, true: Callable[[], bool], patience: float = PATIENCE) -> bool:
        with self._seen:
            return self._seen.wait_for(true, patience)

    def saw(self, name: str) -> bool:
        return any(name in names for names in self.names)


@contextmanager
def watched(folder: Path, seconds: float) -> Iterator[Looks]:
    looks = Looks(folder)
    watcher = StoreWatcher(folder, seconds, looks)
    watcher.start()
    try:
        yield looks
    finally:
        watcher.stop()
    assert not watcher._thread.is_alive()


def write_until_announced(folder: Path, looks: Looks) -> None:
    """The watch begins a moment after its thread; from the first look on, every change is announced."""
    for n in range(int(PATIENCE / 0.1)):
        (folder / f"before-{n}").touch()
        if looks.wait_for(lambda: bool(looks.names), 0.1):
            return
    raise AssertionError("no change was announced")


def test_a_change_anywhere_below_the_folder_is_seen_before_the_next_look_is_due(tmp_path: Path) -> None:
    with watched(tmp_path, 5.0) as looks:
        write_until_announced(tmp_path, looks)
        (tmp_path / "name" / "version").mkdir(parents=True)
        assert looks.wait_for(lambda: looks.saw("name/version"))
        (tmp_path / "name" / "version" / "manifest.json").write_text("{}")
        assert looks.wait_for(lambda: looks.saw("name/version/manifest.json"))
        aside = tmp_path / "name" / ".aliases.tmp"
        aside.write_text("{}")
        aside.replace(tmp_path / "name" / "aliases.json")
        assert looks.wait_for(lambda: looks.saw("name/aliases.json"))
        count = len(looks.names)
        (tmp_path / "name" / "version" / "manifest.json").unlink()
        gone = "name/version/manifest.json"
        assert looks.wait_for(lambda: any(gone not in names for names in looks.names[count:]))


def test_a_folder_that_is_made_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    with watched(folder, 0.05) as looks:
        assert looks.wait_for(lambda: len(looks.names) >= 2)
        folder.mkdir()
        (folder / "one").touch()
        assert looks.wait_for(lambda: looks.saw("one"))
        (folder / "two").touch()
        assert looks.wait_for(lambda: looks.saw("two"))


def test_a_folder_that_goes_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "one").touch()
    with watched(folder, 0.05) as looks:
        assert looks.wait_for(lambda: looks.saw("one"))
        shutil.rmtree(folder)
        assert looks.wait_for(lambda: looks.names[-1] == set())
        folder.mkdir()
        (folder / "two").touch()
        assert looks.wait_for(lambda: looks.saw("two"))


def test_the_watcher_looks_every_few_seconds_without_announced_changes(tmp_path: Path) -> None:
    with watched(tmp_path, 0.05) as looks:
        assert looks.wait_for(lambda: len(looks.names) >= 3)


def test_a_look_that_fails_is_logged_and_the_next_one_follows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with watched(tmp_path, 0.05) as looks:
        looks.failing = True
        count = len(looks.names)
        assert looks.wait_for(lambda: len(looks.names) >= count + 3)
    assert f"looking at {tmp_path} failed" in caplog.text
    assert "the volume is gone" in caplog.text


def test_a_folder_that_cannot_be_watched_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_more(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("service.versions.store_watcher.watchfiles.watch", no_more)
    with watched(tmp_path, 0.05) as looks:
        (tmp_path / "one").touch()
        assert looks.wait_for(lambda: looks.saw("one"))
    assert "cannot watch" in caplog.text
