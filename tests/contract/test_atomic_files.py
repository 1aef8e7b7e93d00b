import fcntl
from pathlib import Path

import pytest

from contract.atomic_files import hash_files, is_locked, locked, staging_folder, write_atomically


def test_write_atomically_leaves_no_trace_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="target"):
        write_atomically(tmp_path / "target", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_the_next_writer_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    (tmp_path / ".aliases.json.0123abcd.tmp").touch()
    (tmp_path / "aliases.json").touch()
    with locked(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"aliases.json", ".lock"}


def test_a_staging_folder_belongs_to_one_writer_and_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "unroll-0123456789abcdef").mkdir()  # of a dead writer
    with staging_folder(tmp_path) as one, staging_folder(tmp_path) as two:
        assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name, ".lock"}
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_a_writer_removes_only_folders_of_writers(tmp_path: Path) -> None:
    (tmp_path / "theses").mkdir()
    (tmp_path / "theses" / "draft.txt").write_text("a year of work")
    (tmp_path / "unroll-backup").mkdir()
    (tmp_path / "unroll-0123456789abcdef").symlink_to(tmp_path / "theses")
    with staging_folder(tmp_path):
        pass
    assert (tmp_path / "unroll-0123456789abcdef" / "draft.txt").read_text() == "a year of work"
    assert (tmp_path / "unroll-backup").is_dir()


def test_no_writer_sweeps_while_a_staging_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-removed folder without its lock would look like a dead writer's, and two processes would remove it."""
    removed = []

    def remove(folder: Path) -> None:
        with open(tmp_path / ".lock") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not is_locked(folder / ".owner")  # closed, since NFS removes no folder with an open file
        removed.append(folder)

    with staging_folder(tmp_path) as mine:
        assert is_locked(mine / ".owner")
        monkeypatch.setattr("contract.atomic_files.shutil.rmtree", remove)
    assert removed == [mine]


def test_hashes_are_of_every_file_but_one_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for path in ("manifest.json", "below/manifest.json", "weights"):
        (tmp_path / path).write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hash_files(tmp_path, but="manifest.json") == {"below/manifest.json": empty, "weights": empty}
