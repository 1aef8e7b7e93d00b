"""What all connections of a worker share."""

from typing import NamedTuple

from service.connection.limits import ConnectionLimits
from service.connection.stalling import UnreadAnswers
from service.http.early_refusal import EarlyRefusal
from service.http.head_rules import HeadRules
from service.http.messages import ErrorRenderer
from service.http.uvicorn_cycle import Direct


class Shared(NamedTuple):
    limits: ConnectionLimits
    rules: HeadRules
    unread: UnreadAnswers
    render_error: ErrorRenderer
    early: EarlyRefusal | None  # None: no request is refused early
    direct: Direct | None  # None: no request is answered directly
