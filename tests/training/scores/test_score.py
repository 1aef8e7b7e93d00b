from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from contract.manifest import Figure, Metric
from contract.rows import Floats, Rows
from tests.training.scores.built import Array, forecast_data, plan_of, rows_data
from training.plan import Plan
from training.scores.advice import advice
from training.scores.score import check_goal, figures, measure

Answers = Callable[[Rows], Floats]


def refused(plan: Plan, answers: Answers) -> list[str]:
    return [figure.name for figure in figures(plan, measure(plan, answers)) if not figure.passed]


def last_value(horizon: int, noise: float = 0.0) -> Answers:
    rng = np.random.default_rng(5)

    def answers(rows: Rows) -> Floats:
        ends = rows.starts + np.array(rows.lengths) - 1
        return (np.tile(rows.values[ends], (1, horizon)) + rng.normal(0, noise, (len(ends), horizon))).astype(np.float32)

    return answers


def constant(*values: float, noise: float = 0.0) -> Answers:
    rng = np.random.default_rng(5)

    def answers(rows: Rows) -> Floats:
        shape = len(rows.lengths), len(values)
        return (np.broadcast_to(np.array(values), shape) + rng.normal(0, noise, shape)).astype(np.float32)

    return answers


def walk(steps: int, seed: int = 1) -> Array:
    return np.cumsum(np.random.default_rng(seed).normal(0, 1, steps))


def season(steps: int) -> Array:
    return 10 + np.sin(2 * np.pi * np.arange(steps) / 12) + np.random.default_rng(1).normal(0, 0.1, steps)


def wave(rows: Rows) -> Floats:
    """What `season` does next, known but for the noise: the last three seasons' means."""
    by_season = rows.values.reshape(len(rows.lengths), 3, 12)
    return np.asarray(by_season.mean(axis=1), np.float32)


def test_a_random_walk_is_refused() -> None:
    plan = plan_of(forecast_data(walk(600), 24, 6))
    names = refused(plan, last_value(6, noise=0.05))
    assert "mae against naive" in names
    assert "mae, ahead of naive by, lower end of its interval" in names
    sentence, *_ = advice(plan, [Figure(name=name, value=1, bar=0) for name in names])
    assert sentence.startswith("The forecast is no better than repeating the last value: the series may be a random walk.")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("skewed", [False, True])
def test_white_noise_is_refused_though_the_best_constant_beats_the_last_value(seed: int, skewed: bool) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.exponential(1, 600) if skewed else rng.normal(0, 1, 600)
    plan = plan_of(forecast_data(noise, 24, 6))
    best = constant(*[float(np.median(noise))] * 6, noise=0.05)
    names = refused(plan, best)
    assert "mae against naive" not in names
    assert "mae against mean" in names
    sentence, *_ = advice(plan, figures(plan, measure(plan, best)))
    assert sentence.startswith("The forecast is no better than one constant: the series may be noise without a memory.")


def test_a_seasonal_series_asks_for_more_than_the_last_value() -> None:
    plan = plan_of(forecast_data(season(400), 36, 12))
    measured = measure(plan, wave)
    assert measured.beats == ("naive", "mean", "seasonal:12")
    assert measured.best == "seasonal:12"
    assert measured.baselines["seasonal:12"] < measured.baselines["naive"] / 3
    assert refused(plan, wave) == []
    names = refused(plan, lambda rows: rows.values.reshape(-1, 36)[:, -12:].astype(np.float32))  # the last season
    assert names == ["mae against seasonal:12"]  # the gain is exactly 0
    gate = [Figure(name=name, value=1, bar=0) for name in names]
    assert advice(plan, gate) == [
        "The forecast is no better than the values of 12 steps before: it may have learnt the season only. "
        "Try more units with dropout (--units, --dropout), more epochs (--epochs), or more data."
    ]
    (sentence,) = advice(plan_of(forecast_data(season(400), 24, 12)), gate)
    assert "Try rows of several seasons (--length 36), more units" in sentence


def test_the_manifest_says_value_interval_and_baselines() -> None:
    plan = plan_of(forecast_data(season(400), 36, 12), bar=0.09)
    measured = measure(plan, wave)
    found = measured.score()
    assert found is not None
    assert found.low < found.value < found.high
    assert found.metric == "mae"
    assert found.bar == 0.09
    assert found.beats == ["naive", "mean", "seasonal:12"]
    assert found.rows == 109
    assert measured == measure(plan, wave)  # the seed settles the samples


def test_the_bar_of_the_user_is_a_figure_of_its_own() -> None:
    plan = plan_of(forecast_data(season(400), 36, 12), bar=0.01)
    assert refused(plan, wave) == ["mae against --bar"]
    judged = figures(plan, measure(plan, wave))
    (sentence,) = advice(plan, judged)
    assert "misses the bar of 0.01 that you set" in sentence


def rows_of_means(number: int, classes: int, shuffled: bool) -> tuple[list[Array], Array]:
    """The class of a row is the mean of its steps, unless the labels are shuffled."""
    rng = np.random.default_rng(1)
    labels = rng.integers(classes, size=number)
    rows = [rng.normal(label, 0.5, (int(rng.integers(3, 9)), 2)) for label in labels]
    return rows, rng.permutation(labels) if shuffled else labels


def nearest_mean(classes: int) -> Answers:
    def answers(rows: Rows) -> Floats:
        means = np.add.reduceat(rows.values.mean(axis=1), rows.starts) / np.array(rows.lengths)
        near = np.exp(-4 * np.abs(means[:, None] - np.arange(classes)))
        return np.asarray(near / near.sum(axis=1, keepdims=True), np.float32)

    return answers


METRICS_OF_CLASSES: list[Metric] = ["accuracy", "balanced_accuracy", "f1", "log_loss"]


@pytest.mark.parametrize("metric", METRICS_OF_CLASSES)
def test_classes_pass_where_they_are_told_apart_and_fail_where_labels_are_shuffled(metric: Metric) -> None:
    rows, labels = rows_of_means(400, 3, shuffled=False)
    assert refused(plan_of(rows_data("classify", rows, labels, classes=3), metric), nearest_mean(3)) == []
    rows, labels = rows_of_means(400, 3, shuffled=True)
    plan = plan_of(rows_data("classify", rows, labels, classes=3), metric)
    names = refused(plan, nearest_mean(3))
    assert f"{metric} against {'guesses' if metric == 'f1' else 'majority'}" in names
    assert any(name.endswith("end of its interval") for name in names)
    judged = figures(plan, measure(plan, nearest_mean(3)))
    (sentence,) = advice(plan, judged)
    assert "no better than by the most frequent class" in sentence


def test_the_majority_itself_is_refused() -> None:
    rows, _ = rows_of_means(100, 2, shuffled=False)
    labels = (np.arange(100) % 10 == 0).astype(int)
    plan = plan_of(rows_data("classify", rows, labels, classes=2), "accuracy")
    assert refused(plan, constant(0.9, 0.1, noise=0.01)) == ["accuracy against majority", "accuracy, lower end of its interval"]


def test_few_rows_are_refused_however_well_they_are_answered() -> None:
    rows, labels = rows_of_means(12, 2, shuffled=False)
    labels[-4:] = [0, 1, 0, 1]
    rows[-4:] = [np.full((3, 2), float(label)) for label in labels[-4:]]
    plan = plan_of(rows_data("classify", rows, labels, classes=2))
    assert refused(plan, nearest_mean(2)) == ["held-out rows"]
    assert advice(plan, figures(plan, measure(plan, nearest_mean(2))))[0].startswith("Only 4 held-out rows can be judged")


def test_labels_of_steps_are_judged_by_row() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=(60, 20))
    rows = [(row + rng.normal(0, 0.4, 20))[:, None] for row in labels]
    plan = plan_of(rows_data("label", rows, labels.reshape(-1), classes=2, per_step=True))

    def answers(rows: Rows) -> Floats:
        return np.concatenate([1 - rows.values, rows.values], axis=1)

    measured = measure(plan, answers)
    assert measured.drawn == measured.rows == 18
    assert measured.value > 0.85
    assert refused(plan, answers) == []


def test_a_regression_has_to_beat_the_mean() -> None:
    rng = np.random.default_rng(1)
    rows = [rng.normal(0, 1, (int(rng.integers(2, 6)), 1)) for _ in range(300)]
    targets = np.array([row[-1] * 3 + rng.normal(0, 0.3) for row in rows])
    plan = plan_of(rows_data("regress", rows, targets))

    def last(rows: Rows) -> Floats:
        return np.asarray(3 * rows.values[rows.starts + np.array(rows.lengths) - 1])

    measured = measure(plan, last)
    assert refused(plan, last) == []
    assert measured.value == pytest.approx(0.3, rel=0.2)
    assert measured.baselines["mean"] == pytest.approx(3, rel=0.2)
    shuffled = plan_of(rows_data("regress", rows, rng.permutation(targets)))
    names = refused(shuffled, constant(float(targets.mean()), noise=0.05))
    assert names[0] == "rmse against mean"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_refused(wrong: float) -> None:
    rows, labels = rows_of_means(60, 2, shuffled=False)
    plan = plan_of(rows_data("classify", rows, labels, classes=2))
    measured = measure(plan, constant(wrong, 0.5))
    assert measured.score() is None
    judged = figures(plan, measured)
    assert [figure.name for figure in judged if figure.passed] == ["held-out rows"]
    assert advice(plan, judged) == ["The model answers NaN or infinity: try a lower learning rate (--learning-rate)."]


def test_ragged_rows_are_asked_in_pieces_and_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.scores.score.NUMBERS_TOGETHER", 40)
    rng = np.random.default_rng(1)
    rows = [rng.normal(0, 1, (int(length), 1)) for length in rng.integers(1, 12, 60)]
    asked: list[int] = []

    def last(rows: Rows) -> Floats:
        asked.append(rows.longest * len(rows.lengths))
        return np.asarray(rows.values[rows.starts + np.array(rows.lengths) - 1])

    plan = plan_of(rows_data("regress", rows, np.array([row[-1] for row in rows])))
    assert measure(plan, last).value == 0
    assert len(asked) > 3
    assert max(asked) <= 40
    steps = plan_of(rows_data("regress", rows, np.concatenate(rows), per_step=True))
    assert measure(steps, lambda rows: rows.values).value == 0


def test_at_most_20_000_rows_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.scores.score.HELD_OUT_ROWS", 25)
    measured = measure(plan_of(forecast_data(walk(600), 24, 6)), last_value(6))
    assert 20 <= measured.rows <= 25


@pytest.mark.parametrize(
    ("metric", "beats", "said"),
    [
        ("accuracy", (), "--metric accuracy does not fit forecast: choose mae, mape, mase, r2, rmse"),
        ("mae", ("majority",), "--beats majority does not fit forecast: choose naive or mean or seasonal:12"),
        ("mae", ("seasonal:25",), "--beats seasonal:25 needs rows of at least 25 steps; the shortest has 24. Try --length 50"),
        ("mape", (), "mape divides by the target, which is 0 in 1 places: use --metric mae"),
        ("mase", ("seasonal:24",), "mase divides by the change of the training series in 24 steps, which is none or unknown"),
    ],
)
def test_a_goal_that_does_not_fit_the_data_is_said_before_training(metric: Metric, beats: tuple[str, ...], said: str) -> None:
    series = walk(100)
    series[99] = 0
    with pytest.raises(ValueError, match=said):
        check_goal(plan_of(forecast_data(series, 24, 1), metric, beats))


def test_r2_needs_targets_that_differ() -> None:
    data = rows_data("regress", [np.zeros((2, 1))] * 20, np.ones((20, 1)))
    with pytest.raises(ValueError, match="the same value in all held-out rows"):
        check_goal(plan_of(data, "r2"))
    with pytest.raises(ValueError, match="--metric mase does not fit regress"):
        check_goal(plan_of(data, "mase"))


def test_a_season_of_the_user_replaces_the_one_that_is_found() -> None:
    plan = plan_of(forecast_data(season(400), 36, 12), beats=("seasonal:6",))
    assert measure(plan, wave).beats == ("seasonal:6", "mean")


def test_mase_of_the_last_season_is_about_one() -> None:
    data = forecast_data(season(800), 36, 12)
    plan = plan_of(data, "mase", beats=("seasonal:12",))
    measured = measure(plan, lambda rows: rows.values.reshape(-1, 36)[:, -12:])
    assert measured.value == pytest.approx(1, rel=0.25)
    assert measured.value == pytest.approx(measured.baselines["seasonal:12"])


def test_advice_tells_a_faulty_export_from_a_weak_model() -> None:
    plan = plan_of(forecast_data(walk(100), 24, 1))
    (sentence,) = advice(plan, [Figure(name="export against Keras", value=1, bar=0.1)])
    assert "the data is not the cause" in sentence
    assert advice(plan, [Figure(name="export against Keras", value=0, bar=0.1)]) == []
    assert advice(replace(plan, goal=None), [Figure(name="error, held-out rows", value=1, bar=0.1)]) == [
        "The error, held-out rows is above its bar: train longer (--steps), or a wider network (--units)."
    ]
    (sentence,) = advice(plan, [Figure(name="cannot be compared with production: task forecast, not classify", value=1, bar=0)])
    assert sentence.startswith("The new model cannot be compared with production: task forecast, not classify.")


def test_the_interval_alone_asks_for_more_rows() -> None:
    plan = plan_of(forecast_data(walk(100), 24, 1))
    failing = Figure(name="mae, ahead of naive by, lower end of its interval", value=-1, bar=0, at_least=True)
    assert advice(plan, [failing]) == [
        "The held-out rows are too few to tell the model's answers from the obvious ones. "
        "Bring more rows, or hold out more of them (--held-out)."
    ]
