"""How log lines look: as text, or an object of JSON a line, both with the ids of the request that they are about.

What an error says may quote a user's values, so within a request its kind and where it came from are logged, and not its text.
"""

import logging
import threading
import time
import traceback
from types import TracebackType
from typing import Final, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.telemetry.request_log import CURRENT, current_ids

LogFormat = Literal["text", "json"]
LOGGERS: Final = (None, "bentoml", "uvicorn.error", "circus")
"""That BentoML gives its handler, and lets pass what they have printed on to the next."""
HANDLER: Final = "tracehandler"
MODEL_THREADS: Final = "model"
"""How the names of threads begin that run models on what was asked."""
_Error = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Ids(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        ids = current_ids()
        record.request_id, record.trace_id = ids.get("request_id"), ids.get("trace_id")
        record.ids = "".join(f" {name}={value}" for name, value in ids.items())
        return True


class _FirstLine(logging.Filter):
    """asyncio adds lines that show the objects which an error left behind, values and all."""

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
    """An error's traceback, and those of the errors that it came from, without what they say."""
    seen: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        seen.append("".join(traceback.format_tb(cause.__traceback__)) + type(cause).__qualname__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nfrom which came:\n".join(reversed(seen))


def setup(form: LogFormat) -> None:
    """Have everything that this process logs look like this. BentoML has set up its handlers before."""
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
    logging.getLogger("asyncio").addFilter(_FIRST_LINE)
