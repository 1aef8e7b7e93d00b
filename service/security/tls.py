"""TLS 1.2 and 1.3. The certificate is reloaded when its files change, and no connection is lost.

A client that speaks plain HTTP gets one answer in plain HTTP.

Every handshake uses the current certificate; open connections keep theirs. While certificate and key do not fit together, as
in the middle of a rotation, the old ones stay in use.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from uvicorn import Config

from service.errors import NotTLS
from service.security.reloaded_files import ReloadedFiles, Unusable

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!SHA1"
"""For TLS 1.2: only ciphers with forward secrecy and authenticated encryption. In TLS 1.3 all ciphers have both."""

NO_TLS: Final = NotTLS("expected TLS on this port; received plain HTTP. Type https:// in place of http://.")
"""The error for a client that speaks plain HTTP."""
_PLAIN: Final = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST")
"""What OpenSSL says where a handshake begins with GET, HEAD, POST, PUT or CONNECT."""


class Handshake(ssl.SSLObject):
    """One of a server. The event loop calls `do_handshake` for whatever arrives until the handshake is done or has failed."""

    arrives: ssl.MemoryBIO
    leaves: ssl.MemoryBIO
    to_plain_http: bytes
    _answered = False

    def do_handshake(self) -> None:
        """Raises SSLWantReadError where more must arrive, as after an answer in plain HTTP: its client closes."""
        if not self._answered:
            try:
                super().do_handshake()
            except ssl.SSLError as error:
                if error.reason not in _PLAIN or not self.to_plain_http:
                    raise
            else:
                return
            self._answered = True
            self.leaves.write(self.to_plain_http)
        self.arrives.read()
        raise ssl.SSLWantReadError


class Context(ssl.SSLContext):
    """Makes handshakes. `to_plain_http`: the whole answer; empty: none."""

    sslobject_class = Handshake
    to_plain_http = b""

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *others: Any, **named: Any) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, *others, **named)
        if isinstance(made, Handshake):
            made.arrives, made.leaves, made.to_plain_http = incoming, outgoing, self.to_plain_http
        return made


class Clients(NamedTuple):
    """The certificates that clients must show: BentoML's `--ssl-cert-reqs` and `--ssl-ca-certs`. Default: none."""

    verify: ssl.VerifyMode = ssl.CERT_NONE
    authorities: str | None = None  # a file


class Certificates:
    """`context` is for the listening socket. Raises Unusable if the files cannot be used now."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        password: str | None = None,
        clients: Clients | None = None,
        to_plain_http: bytes = b"",
    ) -> None:
        def take(_contents: list[bytes]) -> Context:
            return _context(certificate, key, password, clients or Clients())

        names = ". UNROLL_TLS_CERTIFICATE_FILE or UNROLL_TLS_KEY_FILE names it"
        self._files = ReloadedFiles("certificates", [certificate, key], take, names)
        self.context = take([])
        self.context.to_plain_http = to_plain_http
        self.context.sni_callback = self._choose

    def start(self, seconds: float) -> None:
        self._files.start(seconds)

    def look(self) -> None:
        self._files.look()

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in every handshake, with or without a host name from the client."""
        connection.context = self._files.current


def tls_options(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """The `ssl` option of BentoML. Raises Unusable if files are given and cannot be used."""
    if certificate is None or key is None:
        return {"enabled": False}
    Certificates(certificate, key)  # before any worker tries
    return {"enabled": True, "certfile": str(certificate), "keyfile": str(key)}


def certificates_of(seconds: float, to_plain_http: bytes) -> Callable[[Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """uvicorn's `ssl_context_factory`: reloads the files in uvicorn's config when they change, looking every `seconds`."""

    def context(config: Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        certificate = Path(config.ssl_certfile or "")
        key = Path(config.ssl_keyfile or certificate)
        clients = Clients(ssl.VerifyMode(config.ssl_cert_reqs), os.fspath(config.ssl_ca_certs) if config.ssl_ca_certs else None)
        certificates = Certificates(certificate, key, config.ssl_keyfile_password, clients, to_plain_http)
        certificates.start(seconds)
        return certificates.context

    return context


def _context(certificate: Path, key: Path, password: str | None, clients: Clients) -> Context:
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password or "")  # never asks at the terminal
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"{certificate} and {key} are not a certificate with its key: {error}") from error
    context.verify_mode = clients.verify
    if clients.authorities:
        context.load_verify_locations(clients.authorities)
    return context
