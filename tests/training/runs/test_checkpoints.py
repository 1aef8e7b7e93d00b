from pathlib import Path

import numpy as np

from training.runs.checkpoints import Checkpoint, newest, save


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, step / 10, [np.full((2, 3), step, np.float32), np.arange(step, dtype=np.float32)])


def test_the_newest_checkpoint_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    for step in (1, 2, 30):
        save(tmp_path / "checkpoints", checkpoint(step))
    found = newest(tmp_path / "checkpoints", print)
    assert found is not None
    assert (found.step, found.seconds) == (30, 3.0)
    assert [(array.dtype, array.tolist()) for array in found.state] == [
        (array.dtype, array.tolist()) for array in checkpoint(30).state
    ]


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (500, 1_000, 20_000):
        save(tmp_path, checkpoint(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001000.npz", "000020000.npz"]


def test_without_a_checkpoint_there_is_no_newest(tmp_path: Path) -> None:
    assert newest(tmp_path / "checkpoints", print) is None


def test_an_unreadable_checkpoint_is_reported_and_the_older_one_is_used(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, checkpoint(step))
    whole = (tmp_path / "000000002.npz").read_bytes()
    for bytes_left in (b"", whole[: len(whole) // 2], whole.replace(np.float32(2).tobytes(), np.float32(3).tobytes())):
        (tmp_path / "000000002.npz").write_bytes(bytes_left)
        said: list[str] = []
        found = newest(tmp_path, said.append)
        assert found is not None
        assert found.step == 1
        assert len(said) == 1
        assert said[0].startswith("checkpoint 000000002.npz cannot be read")


def test_the_half_written_checkpoint_of_a_killed_writer_is_removed(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(1))
    (tmp_path / ".000000002.npz.0a1b2c3d.tmp").write_bytes(b"half")
    assert newest(tmp_path, print) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["000000001.npz"]
