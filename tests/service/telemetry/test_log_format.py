import io
import json
import logging
import logging.config
import threading
from collections.abc import Iterator

import pytest
from bentoml._internal.log import SERVER_LOGGING_CONFIG

from service.telemetry import log_format
from service.telemetry.request_log import CURRENT

SECRET = "0.987654321"
REQUEST = (b"abc", {b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, None)


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What is logged, by the handlers that BentoML sets up in a worker."""
    root = logging.getLogger()
    names = [None, "bentoml", "uvicorn.error", "circus", "service", "asyncio"]
    before = [(logging.getLogger(n), logging.getLogger(n).level, [*logging.getLogger(n).handlers]) for n in names]
    logging.config.dictConfig(SERVER_LOGGING_CONFIG | {"disable_existing_loggers": False})
    stream = io.StringIO()
    (handler,) = [h for h in root.handlers if h.get_name() == "tracehandler"]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = True


def fail() -> None:
    try:
        float(f"<{SECRET}>")
    except ValueError as error:
        raise KeyError(SECRET) from error


def log_failure() -> None:
    try:
        fail()
    except KeyError:
        logging.getLogger("service.http.transport").exception("POST /many_to_many failed")


def in_request(function: object) -> None:
    token = CURRENT.set(REQUEST)
    try:
        assert callable(function)
        function()
    finally:
        CURRENT.reset(token)


def test_json_is_an_object_a_line_with_ids_and_facts(printed: io.StringIO) -> None:
    log_format.setup("json")
    in_request(lambda: logging.getLogger("service.telemetry.request_log").info("POST %s", "/x", extra={"status": 200}))
    logging.getLogger("bentoml.serve").warning("two\nlines")
    first, second = map(json.loads, printed.getvalue().splitlines())
    time = first.pop("time")
    assert time.endswith("Z")
    assert time[10] == "T"
    assert first == {
        "level": "INFO",
        "logger": "service.telemetry.request_log",
        "component": "[]",
        "message": "POST /x",
        "status": 200,
        "request_id": "abc",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert second["message"] == "two\nlines"
    assert second["request_id"] is None


def test_text_ends_with_the_ids(printed: io.StringIO) -> None:
    log_format.setup("text")
    in_request(lambda: logging.getLogger("service.x").info("hello"))
    assert printed.getvalue().endswith("hello request_id=abc trace_id=0af7651916cd43dd8448eb211c80319c\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_within_a_request_an_error_is_logged_without_its_text(printed: io.StringIO, form: log_format.LogFormat) -> None:
    log_format.setup(form)
    in_request(log_failure)
    model = threading.Thread(target=log_failure, name="model_0")
    model.start()
    model.join()
    assert SECRET not in printed.getvalue()
    assert printed.getvalue().count("ValueError") == 2
    assert printed.getvalue().count("raise KeyError") == 2
    assert printed.getvalue().index("ValueError") < printed.getvalue().index("raise KeyError")


def test_outside_of_a_request_an_error_is_logged_with_its_text(printed: io.StringIO) -> None:
    log_format.setup("text")
    log_failure()
    assert SECRET in printed.getvalue()


def test_asyncios_lines_show_no_objects(printed: io.StringIO) -> None:
    log_format.setup("json")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=ValueError(%s)>", SECRET)
    assert json.loads(printed.getvalue())["message"] == "Task exception was never retrieved"


def test_nothing_is_logged_twice(printed: io.StringIO) -> None:
    log_format.setup("text")
    for name in ("uvicorn.error", "circus", "bentoml", "service.x"):
        logging.getLogger(name).warning("once")
    assert printed.getvalue().count("once") == 4
