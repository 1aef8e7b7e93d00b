"""The format of log lines: text, or one JSON object a line. Both carry the ids of the request.

The text of an error may quote a user's values. So within a request the log shows the error's type and traceback, not its text.
"""

import logging
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.telemetry.request_log import CURRENT, current_ids

LogFormat = Literal["text", "json"]
LOGGERS: Final = (None, "bentoml", "uvicorn.error", "circus")
"""Loggers that get BentoML's handler. BentoML also lets them pass each record on, which would print it twice."""
HANDLER: Final = "tracehandler"
MODEL_THREADS: Final = "model"
"""Prefix of the names of threads that run models for requests."""
_Error = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Ids(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        ids = current_ids()
        record.request_id, record.trace_id = ids.get("request_id"), ids.get("trace_id")
        record.ids = "".join(f" {name}={value}" for name, value in ids.items())
        return True


class _FirstLine(logging.Filter):
    """Drops the lines that asyncio adds: they show objects with a user's values."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return True


class _Discreet(logging.Formatter):
    def formatException(self, ei: _Error) -> str:  # noqa: N802 - logging's name
        error = ei[1]
        if error is None or not (CURRENT.get() or threading.current_thread().name.startswith(MODEL_THREADS)):
            return super().formatException(ei)
        return without_text(error)


class _Text(_Discreet):
    pass


class _Json(_Discreet, JsonFormatter):
    pass


_IDS, _FIRST_LINE = _Ids(), _FirstLine()


def without_text(error: BaseException) -> str:
    """The tracebacks and types of an error and of its causes, without their texts."""
    seen: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        seen.append("".join(traceback.format_tb(cause.__traceback__)) + type(cause).__qualname__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nfrom which came:\n".join(reversed(seen))


@contextmanager
def starting(form: LogFormat) -> Iterator[None]:
    """While the models of the start are loaded, which the text says at its end (`hosting/ready.py`). Faults are logged."""
    logger = logging.getLogger("service.versions")
    logger.setLevel(logging.WARNING if form == "text" else logging.NOTSET)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


def setup(form: LogFormat) -> None:
    """Set the format of all that this process logs. Call it after BentoML has set up its handlers."""
    formatter: logging.Formatter
    if form == "json":
        hidden = [*RESERVED_ATTRS, "levelname_bracketed", "trace_msg", "ids", "service_name", "color_message"]
        formatter = _Json(
            "%(asctime)s %(levelname)s %(name)s %(component)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            reserved_attrs=hidden,
        )
        formatter.default_time_format, formatter.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
        formatter.converter = time.gmtime
    else:
        formatter = _Text("%(asctime)s %(levelname_bracketed)s %(component)s %(message)s%(ids)s", "%Y-%m-%dT%H:%M:%S%z")
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        for handler in logger.handlers:
            if handler.get_name() == HANDLER:
                handler.setFormatter(formatter)
                handler.addFilter(_IDS)
    logging.getLogger("service").setLevel(logging.INFO)
    logging.getLogger("bentoml").setLevel(logging.WARNING)  # its hooks' lines say nothing that a user could use
    logging.getLogger("asyncio").addFilter(_FIRST_LINE)
