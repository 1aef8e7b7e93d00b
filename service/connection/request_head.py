"""Whether the head of a request is taken: uvicorn's parser limits neither its size nor its time, and takes any host."""

from itertools import chain

from service.connection.limits import ConnectionLimits
from service.errors import HeadersTooLarge, UnrollError
from service.http.head_rules import HeadRules
from service.http.messages import Headers
from service.telemetry import metrics


class RequestHead:
    """Of one connection. Told of every read and of what the parser finds in it."""

    def __init__(self, limits: ConnectionLimits, rules: HeadRules) -> None:
        self._limits, self._rules = limits, rules
        self.reading = False  # a part of a head is here, and not all
        self._progress = False  # in this read a head began, or a part of a body was
        self._most = 0  # bytes that the current head has at most
        self._least = 0  # bytes since the last progress: the head, or the trailer, has at least so many

    def read_begins(self, size: int) -> None:
        self._most = (self._most if self.reading else 0) + size
        self._progress = False

    def head_begins(self) -> None:
        self.reading = self._progress = True

    def body_comes(self) -> None:
        self._progress = True

    def head_ends(self, version: str, url: bytes, headers: Headers, stated: dict[bytes, bytes]) -> UnrollError | None:
        """Why the head is refused. `stated`: the headers by name. Bytes are added up only where they could be too many."""
        self.reading = False
        limits = self._limits
        if len(headers) > limits.header_count or (
            self._most > limits.header_bytes
            and len(url) + sum(map(len, chain.from_iterable(headers))) + 4 * len(headers) > limits.header_bytes
        ):
            return self._too_large()
        if (
            version == "1.1"
            and stated.get(b"host") in self._rules.usual_hosts
            and len(stated) == len(headers)
            and b"transfer-encoding" not in stated
            and url.startswith(b"/")
        ):
            return None
        return self._rules.fault(version, url, headers)

    def read_ends(self, size: int) -> HeadersTooLarge | None:
        """After a read that left a request unfinished: why what is behind it is refused."""
        self._least = 0 if self._progress else self._least + size
        return self._too_large() if self._least > self._limits.header_bytes else None

    def _too_large(self) -> HeadersTooLarge:
        metrics.connections_refused.labels("headers").inc()
        most = self._limits
        detail = f"expected at most {most.header_count} headers and {most.header_bytes} bytes of them; received more."
        return HeadersTooLarge(detail, max_headers=most.header_count, max_header_bytes=most.header_bytes)
