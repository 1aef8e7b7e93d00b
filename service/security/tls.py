"""TLS 1.2 and 1.3. The certificate is reloaded when its files change, and no connection is lost.

Every handshake uses the current certificate; open connections keep theirs. While certificate and key do not fit together, as
in the middle of a rotation, the old ones stay in use.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from uvicorn import Config

from service.security.reloaded_files import ReloadedFiles, Unusable

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!SHA1"
"""For TLS 1.2: only ciphers with forward secrecy and authenticated encryption. In TLS 1.3 all ciphers have both."""


class Clients(NamedTuple):
    """The certificates that clients must show: BentoML's `--ssl-cert-reqs` and `--ssl-ca-certs`. Default: none."""

    verify: ssl.VerifyMode = ssl.CERT_NONE
    authorities: str | None = None  # a file


class Certificates:
    """`context` is for the listening socket. Raises Unusable if the files cannot be used now."""

    def __init__(self, certificate: Path, key: Path, password: str | None = None, clients: "Clients | None" = None) -> None:
        def take(_contents: list[bytes]) -> ssl.SSLContext:
            return _context(certificate, key, password, clients or Clients())

        self._files = ReloadedFiles("certificates", [certificate, key], take)
        self.context = take([])
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


def certificates_of(seconds: float) -> Callable[[Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """uvicorn's `ssl_context_factory`: reloads the files in uvicorn's config when they change, looking every `seconds`."""

    def context(config: Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        certificate = Path(config.ssl_certfile or "")
        key = Path(config.ssl_keyfile or certificate)
        clients = Clients(ssl.VerifyMode(config.ssl_cert_reqs), os.fspath(config.ssl_ca_certs) if config.ssl_ca_certs else None)
        certificates = Certificates(certificate, key, config.ssl_keyfile_password, clients)
        certificates.start(seconds)
        return certificates.context

    return context


def _context(certificate: Path, key: Path, password: str | None, clients: Clients) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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
