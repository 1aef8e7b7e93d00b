from service.errors import UnrollError
from service.http.messages import NOTHING, Request, Response
from service.http.routes import Route, Routes


async def handle(_request: Request) -> Response:
    return Response(b"")


def render(error: UnrollError) -> Response:
    return Response(error.detail.encode(), error.status)


def routes(*paths: str) -> tuple[Routes, list[Route]]:
    table, added = Routes(), [Route(path, "GET", handle, render) for path in paths]
    table.add(*added)
    return table, added


def test_a_path_without_parameters_is_found_as_it_is() -> None:
    table, (models, pages) = routes("/models", "/pages")
    assert table.find("/models") == (models, NOTHING)
    assert table.find("/pages") == (pages, NOTHING)
    for other in ("/model", "/models/", "/models/x", "", "/"):
        assert table.find(other) is None


def test_a_parameter_is_one_part_of_the_path() -> None:
    table, (comparison,) = routes("/models/{name}/comparison")
    assert table.find("/models/many_to_one_5/comparison") == (comparison, {"name": "many_to_one_5"})
    for other in (
        "/models//comparison",
        "/models/a/b/comparison",
        "/models/a/comparison/",
        "/models/a/comparison\n",
        "/models/a",
    ):
        assert table.find(other) is None


def test_a_whole_path_goes_before_one_with_parameters() -> None:
    table, (pattern, exact) = routes("/models/{name}", "/models/all")
    assert table.find("/models/all") == (exact, NOTHING)
    assert table.find("/models/one") == (pattern, {"name": "one"})


def test_the_paths_are_those_that_were_declared() -> None:
    table, _ = routes("/models/{name}/comparison", "/models", "/a")
    assert [route.path for route in table.all] == ["/a", "/models", "/models/{name}/comparison"]


def test_predictions_are_found_by_the_target_of_their_request_line() -> None:
    table = Routes()
    exact, named = (Route(path, "POST", handle, render) for path in ("/many_to_many", "/models/{name}/predict"))
    table.add(exact, named, Route("/models/{name}", "GET", handle, render), Route("/a/{b}", "POST", handle, render, "admin"))
    assert table.find_prediction(b"/many_to_many") == (exact, NOTHING)
    assert table.find_prediction(b"/models/stocks-2/predict") == (named, {"name": "stocks-2"})
    for other in (
        b"/many_to_many?x=1",
        b"/models/stocks/predict?x=1",
        b"/models/a%62/predict",  # left to ASGI, which decodes it
        b"/models/\xc3\xa4/predict",
        b"/models//predict",
        b"/models/a/b/predict",
        b"/models/" + b"a" * 101 + b"/predict",
        b"/models/stocks",
        b"/a/b",
        b"",
    ):
        assert table.find_prediction(other) is None


def test_requests_are_counted_by_the_route_and_not_by_the_path_that_was_asked_for() -> None:
    _, (route,) = routes("/models/{name}/test")
    before = route.answered._value.get()
    route.count("ok")
    assert route.answered._value.get() == before + 1
    assert route.answered._labelvalues == ("/models/{name}/test", "ok")
