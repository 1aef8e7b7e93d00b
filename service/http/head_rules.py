"""What RFC 9112 demands of a request's head: a version, a framing and a host that this service takes.

The connection asks here only about an unusual head. A usual one is of HTTP/1.1, names each header once, has no transfer coding,
and its host is among `usual_hosts`.
"""

import ipaddress
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from service.errors import Misdirected, NotHTTP, UnknownTransferCoding, UnrollError, WrongHost, WrongVersion
from service.security.key_check import OPEN
from service.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

ANY: Final = "*"
THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
MOST_USUAL, MOST_HOST_BYTES = 64, 100
"""So many hosts are remembered, and of so many bytes at most."""
LINE: Final = 300
"""Bytes of a read in which a request line of RTSP is looked for."""
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?", re.ASCII)
_TARGET: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)")
_RTSP: Final = re.compile(rb"[\r\n]*[A-Z_]+ +[^ \r\n]+ +RTSP/")
_VERSIONS: Final = "expected HTTP/1.1 or HTTP/1.0; received"
_CODINGS: Final = "expected transfer-encoding: chunked, once, or content-length; received"
_NOT_HTTP: Final = "expected a request of HTTP/1.1; received one of RTSP or another protocol."
_HELLO: Final = b"\x16\x03"
"""How a client begins that speaks TLS."""
_TLS: Final = "expected plain HTTP on this port; received TLS. Type http:// in place of https://."
_told_of_tls: Final = TokenBucket(1.0)
_HTTP_2: Final = f"{_VERSIONS} HTTP/2. With curl, leave --http2-prior-knowledge out."
_PARSERS: Final = {  # by what llhttp says of a head that it refuses
    "RTSP": NotHTTP(_NOT_HTTP),
    "Invalid HTTP version": WrongVersion(f"{_VERSIONS} another version."),
    "Expected HTTP/2 Connection Preface": WrongVersion(_HTTP_2),
    "Pause on PRI/Upgrade": WrongVersion(_HTTP_2),
    "Invalid `Transfer-Encoding` header value": UnknownTransferCoding(f"{_CODINGS} more codings."),
    "Request has invalid `Transfer-Encoding`": UnknownTransferCoding(f"{_CODINGS} another coding."),
    "Empty Transfer-Encoding": UnknownTransferCoding(f"{_CODINGS} none."),
}


class HeadRules:
    """Of all connections of a worker. `allowed`: the names that requests may be for; none: `listen_on` decides."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._decided = bool(allowed)
        self._allowed = frozenset(name.lower().rstrip(".") for name in allowed or [ANY])
        self.usual_hosts: set[bytes] = set()  # hosts that were allowed before, as clients write them

    def listen_on(self, address: str, keys: bool) -> None:
        """Without keys, nobody but this machine may be named where nobody but this machine can connect.

        A page in a browser could otherwise call the service: its own name leads there by DNS rebinding.
        """
        if not self._decided and not keys and is_loopback(address):
            self._allowed = THIS_MACHINE | {f"[{address}]" if ":" in address else address}

    def fault(self, version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> UnrollError | None:
        """Why a head is refused; None if it is not."""
        if version not in ("1.0", "1.1"):
            return WrongVersion(f"{_VERSIONS} HTTP/{version}.")
        names = [name for name, _ in headers]
        absolute = _TARGET.match(target)
        if b"cseq" in names or (absolute is not None and absolute[1].lower() not in (b"http", b"https")):
            return NotHTTP(_NOT_HTTP)
        codings = [value.strip(b" \t").lower() for name, value in headers if name == b"transfer-encoding"]
        if codings and version == "1.0":
            return NotHTTP("expected content-length in a request of HTTP/1.0; received transfer-encoding.")
        if codings not in ([], [b"chunked"]):
            return UnknownTransferCoding(f"{_CODINGS} {_shown(b', '.join(codings))}.")
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) > 1 or (version == "1.1" and not hosts):
            return WrongHost(f"expected one header host; received {len(hosts) or 'none'}.")
        path = (target if absolute is None else absolute[3]).partition(b"?")[0].decode("latin-1")
        if absolute is not None:
            hosts.append(absolute[2])
        return next(filter(None, [self._host_fault(host, path) for host in hosts]), None)

    def _host_fault(self, host: bytes, path: str) -> UnrollError | None:
        name = host_name(host)
        if name is None:
            return WrongHost(f"expected a host such as example.org:3000; received {_shown(host) or 'an empty one'}.")
        if name in self._allowed or ANY in self._allowed:
            if len(self.usual_hosts) == MOST_USUAL:
                self.usual_hosts.clear()
            if len(host) <= MOST_HOST_BYTES:
                self.usual_hosts.add(host)
            return None
        if path in OPEN:  # orchestrators name a pod by its address
            return None
        hint = "If clients are meant to use this name, add it to that setting."
        return Misdirected(f"expected a host that UNROLL_ALLOWED_HOSTS allows; received {_shown(host)}. {hint}")


def is_loopback(address: str) -> bool | None:
    """None for a name."""
    with suppress(ValueError):
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    return None


def host_name(host: bytes) -> str | None:
    """In lower case, without its port; None if no host is written so (RFC 9110, 7.2)."""
    match = _HOST.fullmatch(host.strip(b" \t"))
    if match is None:
        return None
    name = match[1].decode().lower()
    if name.startswith("["):
        try:
            ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            return None
    return name.rstrip(".") or None


def is_rtsp(data: bytes) -> bool:
    """Whether a request of RTSP begins with `data`. The parser does not tell it from one of HTTP."""
    return _RTSP.match(data) is not None


def unparsed(said: str, data: bytes = b"") -> UnrollError:
    """Why a request is refused that the parser refused, with what it said of `data`."""
    if data.startswith(_HELLO):
        if _told_of_tls.take():  # the client shows its user nothing of an answer
            logger.warning("a client spoke TLS to this port. %s", _TLS)
        return NotHTTP(_TLS)
    detail = "expected a request of HTTP/1.1; received something else"
    return _PARSERS.get(said) or NotHTTP(f"{detail}: {said}." if said else f"{detail}.")


def _shown(value: bytes) -> str:
    return value[:MOST_HOST_BYTES].decode("latin-1")
