import os
import threading
from pathlib import Path

import pytest

from service.security.reloaded_files import LARGEST, ReloadedFiles, Unusable


def take(contents: list[bytes]) -> str:
    if contents[0] == b"bad":
        raise Unusable("bad content")
    return contents[0].decode()


def test_new_content_is_used_and_bad_content_leaves_the_old(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    file = ReloadedFiles("keys", [path], take)
    path.write_text("two")
    file.look()
    assert file.current == "two"
    path.write_text("bad")
    file.look()
    file.look()
    assert file.current == "two"
    assert caplog.text.count("bad content") == 1  # not again at every look
    path.unlink()
    file.look()
    assert file.current == "two"
    assert "cannot be read: No such file" in caplog.text
    path.write_text("two")  # as before: the failure is over all the same
    file.look()
    path.write_text("bad")
    file.look()
    assert caplog.text.count("bad content") == 2


def test_unusable_files_at_the_start_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"missing cannot be read: No such file"):
        ReloadedFiles("keys", [tmp_path / "missing"], take)
    (tmp_path / "large").write_bytes(bytes(LARGEST + 1))
    with pytest.raises(Unusable, match="is it the right file"):
        ReloadedFiles("keys", [tmp_path / "large"], take)


def test_a_symbolic_link_that_moves_is_followed_as_of_a_kubernetes_secret(tmp_path: Path) -> None:
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_text(name)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys").symlink_to("..data/keys")
    taken, second = [], threading.Event()

    def note(contents: list[bytes]) -> str:
        taken.append(contents[0])
        if len(taken) == 2:
            second.set()
        return take(contents)

    file = ReloadedFiles("keys", [tmp_path / "keys"], note)
    file.start(0.01)
    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    assert second.wait(30)
    file.stop()
    assert taken == [b"..1", b"..2"]
