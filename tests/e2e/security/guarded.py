"""A service with keys and TLS, the files that it was given, and how to ask it."""

import http.client
import json
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme
from cryptography.x509 import load_der_x509_certificate

from service.security.keys import Scope, line, new

BODY = json.dumps({"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]})
JSON = {"content-type": "application/json"}
ORIGIN = "https://page.example"


@dataclass
class Secret:
    """A folder as Kubernetes mounts a secret: the files are links into `..data`, which is a link that moves."""

    folder: Path
    generation: int = 0

    def write(self, **files: bytes) -> None:
        self.generation += 1
        fresh = self.folder / f"..{self.generation}"
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
            if self.generation == 1:
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..new").symlink_to(fresh.name)
        os.replace(self.folder / "..new", self.folder / "..data")


@dataclass
class Guarded:
    """The service, what it was given, and how to ask it."""

    folder: Path
    url: str = ""
    keys: Secret = field(init=False)
    tls: Secret = field(init=False)

    def __post_init__(self) -> None:
        self.keys, self.tls = Secret(self.folder / "keys"), Secret(self.folder / "tls")
        self.authority = trustme.CA()
        self.trusted = self.folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.trusted))
        self.secrets: dict[str, str] = {}
        self._lines: dict[str, str] = {}

    def make(self, name: str, scope: Scope, rate: float | None = None, days: float | None = None) -> None:
        self.secrets[name], key = new(name, [scope], days, rate, None)
        self._lines[name] = line(key)
        self.publish()

    def revoke(self, name: str) -> str:
        gone = self._lines.pop(name)
        self.publish()
        return gone

    def restore(self, name: str, gone: str) -> None:
        self._lines[name] = gone
        self.publish()

    def publish(self) -> None:
        self.keys.write(keys="".join(f"{text}\n" for text in self._lines.values()).encode())

    def certify(self) -> int:
        """A new certificate with its key; its serial number."""
        certificate = self.authority.issue_cert("127.0.0.1")
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        self.tls.write(certificate=chain, key=certificate.private_key_pem.bytes())
        return serial(ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode()))

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.trusted))

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self.address, timeout=30, context=self.context())

    def ask(
        self, method: str, path: str, key: str | None = None, body: str | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body, headers; over a connection of its own, with the key of that name."""
        connection = self.connect()
        try:
            given = {"authorization": f"Bearer {self.secrets[key]}"} if key else {}
            connection.request(method, path, body, {**JSON, **given, **headers})
            answer = connection.getresponse()
            content = answer.read()
            parsed = json.loads(content) if "json" in (answer.headers["content-type"] or "") else content
            return answer.status, parsed, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def until(self, true: Callable[[], bool]) -> None:
        """Ask again and again until it is so; the service looks at its files ten times a second."""
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, "the service did not follow its files"


def serial(der: bytes) -> int:
    return load_der_x509_certificate(der).serial_number


def kind(answer: tuple[int, Any, dict[str, str]]) -> tuple[int, str]:
    return answer[0], answer[1]["type"].removeprefix("urn:unroll:error:")
