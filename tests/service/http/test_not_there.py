import pytest

from service.http.not_there import unknown_route

OURS = [
    "/many_to_many",
    "/one_to_one",
    "/models",
    "/models/{name}",
    "/models/{name}/predict",
    "/models/{name}/comparison",
    "/docs.json",
]
THEIRS = ["/livez", "/metrics"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/many_to_many/", "/many_to_many"),
        ("//many_to_many", "/many_to_many"),
        ("/MANY-TO-MANY", "/many_to_many"),
        ("/modles", "/models"),
        ("/models/", "/models"),
        ("/Models/My-Own/Predict", "/models/My-Own/predict"),
        ("/models/my-own/compare", "/models/my-own/comparison"),
        ("/metric", "/metrics"),
        ("/v1/models/own/versions/3:predict", "/models/own/predict"),
        ("/v2/models/own", "/models/own/predict"),
        ("/api/models", "/models"),
        ("/api/models/own/predict/", "/models/own/predict"),
        ("/openapi.json", "/docs.json"),
        ("/predict", "/models/{name}/predict"),
    ],
)
def test_a_path_that_is_nearly_right_is_told_the_right_one(path: str, meant: str) -> None:
    assert unknown_route(path, OURS, THEIRS).detail == f"nothing at {path}. Did you mean {meant}?"


@pytest.mark.parametrize("path", ["/", "/nope", "/random/1", "/static_content/x.css", "/a/b/c/d", "/favicon.ico"])
def test_another_path_is_told_what_there_is(path: str) -> None:
    assert unknown_route(path, OURS, THEIRS).detail == f"nothing at {path}. There is: {', '.join(OURS)}."


def test_a_long_path_is_neither_compared_nor_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.http.not_there.get_close_matches", None)
    assert len(unknown_route("/models/" + "many_to_many" * 10_000, OURS, THEIRS).detail) < 500
