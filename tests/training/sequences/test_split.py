import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.sequences import split
from training.sequences.dataset import starts_of_rows
from training.sequences.split import blocks_of_time, copies, fingerprints, held_out


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, -3e38]), min_size=1, max_size=40),
    length=st.integers(1, 6),
    targets=st.booleans(),
)
def test_two_rows_share_a_fingerprint_exactly_where_they_are_the_same(values: list[float], length: int, targets: bool) -> None:
    flat = np.array(values, np.float32)
    other = flat[::-1].copy() if targets else None
    starts = np.arange(max(0, len(flat) - length + 1))
    found = fingerprints([flat] if other is None else [flat, other], starts, np.full(len(starts), length)).tolist()
    rows = [
        (tuple(flat[s : s + length].tolist()), () if other is None else tuple(other[s : s + length].tolist())) for s in starts
    ]
    for one in range(len(rows)):
        for two in range(one):
            assert (found[one] == found[two]) is (rows[one] == rows[two])


def test_a_fingerprint_does_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(1000, np.float32)
    starts, lengths = np.arange(0, 990, 3), np.full(330, 10)
    whole = fingerprints([values], starts, lengths)
    monkeypatch.setattr(split, "PIECE", 25)
    assert (fingerprints([values], starts, lengths) == whole).all()


def test_rows_longer_than_a_piece_have_fingerprints_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "PIECE", 4)
    values = np.tile(np.arange(10, dtype=np.float32), 3)
    values[25] = 0
    first, second, third = fingerprints([values], np.array([0, 10, 20]), np.full(3, 10)).tolist()
    assert first == second != third


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=8), length=st.integers(1, 5), stride=st.integers(1, 6))
def test_every_window_lies_in_its_sequence_and_none_is_missing(lengths: list[int], length: int, stride: int) -> None:
    of = np.array(lengths)
    offsets = np.cumsum(of) - of
    wanted = [o + s for o, n in zip(offsets.tolist(), lengths, strict=True) for s in range(0, n - length + 1, stride)]
    assert starts_of_rows(of, offsets, length, stride).tolist() == wanted


@settings(deadline=None)
@given(same=st.lists(st.integers(0, 9), min_size=2, max_size=60), fraction=st.floats(0.01, 0.9), seed=st.integers(0, 99))
def test_copies_stay_together_and_at_least_one_sequence_is_held_out(same: list[int], fraction: float, seed: int) -> None:
    chosen = held_out(np.array(same, np.uint64), fraction, seed)
    assert chosen.any()
    for kind in set(same):
        assert len({bool(side) for value, side in zip(same, chosen, strict=True) if value == kind}) == 1
    assert copies(np.array(same, np.uint64)) == len(same) - len(set(same))


def test_an_additional_sequence_moves_almost_none_to_the_other_side() -> None:
    same = np.random.default_rng(1).integers(1 << 63, size=1001, dtype=np.uint64)
    before, after = held_out(same[:-1], 0.2, 1), held_out(same, 0.2, 1)
    assert before.sum() == 200
    assert (before != after[:-1]).sum() <= 1


@pytest.mark.parametrize(("items", "length", "blocks"), [(3177, 12, 10), (100, 5, 5), (12, 12, 2)])
def test_blocks_of_time_cover_the_series(items: int, length: int, blocks: int) -> None:
    lengths = blocks_of_time(items, length)
    assert (len(lengths), lengths.sum()) == (blocks, items)
    assert lengths.max() - lengths.min() <= 1


@pytest.mark.parametrize("items", [64, 1024, 2048, 4096])
def test_different_sequences_of_two_values_have_different_fingerprints(items: int) -> None:
    """A polynomial modulo 2^64 gives Thue-Morse's sequence and its complement one fingerprint from 1,024 items on."""
    morse = np.array([n.bit_count() % 2 for n in range(items)], np.float32)
    alternating = np.arange(items, dtype=np.float32) % 2
    rows = [morse, 1 - morse, alternating, 1 - alternating, np.sort(morse), morse]
    found = fingerprints([np.concatenate(rows)], np.arange(6) * items, np.full(6, items)).tolist()
    assert len(set(found)) == 5
    assert found[0] == found[5]


def test_every_column_and_answer_counts() -> None:
    values = np.random.default_rng(1).random((20, 3), np.float32)
    starts, lengths = np.arange(0, 20, 5), np.full(4, 5)
    steps, rows = [values], [np.array([0, 0, 1, 1])]
    first = fingerprints(steps, starts, lengths, rows)
    swapped = fingerprints([values[:, [1, 0, 2]]], starts, lengths, rows)
    assert len({*first.tolist(), *swapped.tolist()}) == 8
    assert (fingerprints(steps, starts, lengths, [np.array([0, 1, 1, 1])]) == first).tolist() == [True, False, True, True]
    assert (fingerprints([values, np.zeros(20, np.int64)], starts, lengths, rows) != first).all()


def test_each_class_is_on_both_sides() -> None:
    same = np.random.default_rng(1).integers(1 << 63, size=103, dtype=np.uint64)
    classes = np.array([0] * 80 + [1] * 20 + [2] * 2 + [3])
    chosen = held_out(same, 0.2, 1, classes)
    assert np.bincount(classes[chosen], minlength=4).tolist() == [16, 4, 1, 0]
