import numpy as np
import pyarrow as pa
import pytest

from training.sequences.classes import coded, unfit


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (["10", "9", "10"], ["9", "10"], [1, 0, 1]),
        (["b", "a", None], ["a", "b"], [1, 0, -1]),
        (["1.0", "2", "1"], ["1", "2"], [0, 1, 0]),
        (["-1", "1", "a"], ["-1", "1", "a"], [0, 1, 2]),
    ],
)
def test_classes_are_in_order(labels: list[str | None], classes: list[str], codes: list[int]) -> None:
    found, names = coded(pa.array(labels))
    assert (found.tolist(), names) == (codes, classes)


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (["a", "b"], None),
        (["0.5", "1.5"], None),
        (
            [f"{n}.5" for n in range(30)],
            "30 different labels, most of them fractions, look like numbers to predict: --task regress",
        ),
        (
            [str(n) for n in range(1001)],
            "expected at most 1,000 classes; received 1,001: if labels are numbers to predict, --task regress",
        ),
        (["a"], "every label is a: there is nothing to learn: at least two classes are needed"),
        ([], "every label is missing"),
        (["x" * 201, "b"], f"expected classes of at most 200 characters; received {'x' * 40}..."),
    ],
)
def test_labels_that_are_no_classes_say_what_to_do(classes: list[str], reason: str | None) -> None:
    assert unfit(np.repeat(np.arange(len(classes)), 2), classes, per_step=False) == reason


def test_rare_classes_are_named() -> None:
    assert unfit(np.array([0, 0, 1, 2]), ["a", "b", "c"], per_step=True) == (
        "classes b, c have 1 step each: at least 2 are needed: leave them out, or join classes"
    )
