"""A real service with keys and TLS: who gets in, what is spoken, and that both change under load without a request lost."""

import http.client
import json
import os
import random
import re
import shutil
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography.x509 import load_der_x509_certificate

from service.keys import Scope, line, new
from tests.e2e.conftest import serving

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


@pytest.fixture(scope="module")
def guarded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    it = Guarded(tmp_path_factory.mktemp("guarded"))
    shutil.copytree(home / "models", it.folder / "models")  # of its own, because an admin changes it
    it.make("alice", "predict")
    it.make("root", "admin")
    it.make("prometheus", "metrics")
    it.make("slow", "predict", rate=0.001)
    it.make("past", "predict", days=-1)
    it.certify()
    settings = {
        "UNROLL_KEYS_FILE": str(it.keys.folder / "keys"),
        "UNROLL_TLS_CERTIFICATE_FILE": str(it.tls.folder / "certificate"),
        "UNROLL_TLS_KEY_FILE": str(it.tls.folder / "key"),
        "UNROLL_REREAD_SECONDS": "0.1",
        "UNROLL_CORS_ORIGINS": ORIGIN,
        "SSL_CERT_FILE": str(it.trusted),  # for whoever waits until it is ready
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with serving(it.folder, scheme="https") as it.url:
            yield it


def kind(answer: tuple[int, Any, dict[str, str]]) -> tuple[int, str]:
    return answer[0], answer[1]["type"].removeprefix("urn:unroll:error:")


def test_the_right_key_gets_in_and_every_wrong_one_is_told_why(guarded: Guarded) -> None:
    assert guarded.ask("POST", "/many_to_many", "alice", BODY)[0] == 200
    assert guarded.ask("POST", "/many_to_many", None, BODY, **{"x-api-key": guarded.secrets["alice"]})[0] == 200
    assert kind(guarded.ask("POST", "/many_to_many", None, BODY)) == (401, "missing-key")
    assert kind(guarded.ask("POST", "/many_to_many", None, BODY, authorization="Bearer x")) == (401, "wrong-key")
    assert kind(guarded.ask("POST", "/many_to_many", "past", BODY)) == (401, "expired-key")
    assert kind(guarded.ask("POST", "/many_to_many", "root", BODY)) == (403, "wrong-scope")
    assert guarded.ask("POST", "/many_to_many", "slow", BODY)[0] == 200
    status, problem, headers = guarded.ask("POST", "/many_to_many", "slow", BODY)
    assert (status, problem["reason"]) == (429, "rate")
    assert 900 < int(headers["retry-after"]) <= 1000


@pytest.mark.parametrize("path", ["/", "/docs.json", "/schema.json", "/models", "/static_content/swagger-ui.css", "/metrics"])
def test_bentomls_routes_and_ours_need_a_key(guarded: Guarded, path: str) -> None:
    assert kind(guarded.ask("GET", path)) == (401, "missing-key")
    assert guarded.ask("GET", path, "prometheus" if path == "/metrics" else "alice")[0] == 200


def test_probes_need_none(guarded: Guarded) -> None:
    assert [guarded.ask("GET", path)[0] for path in ("/livez", "/readyz")] == [200, 200]


def test_an_admin_promotes_and_users_do_not(guarded: Guarded) -> None:
    status, stored, _ = guarded.ask("GET", "/admin/models/many_to_many", "root")
    assert status == 200
    (version,) = stored["versions"]
    body = json.dumps({"version": version, "alias": "candidate"})
    assert kind(guarded.ask("POST", "/admin/models/many_to_many/promote", "alice", body)) == (403, "wrong-scope")
    assert kind(guarded.ask("POST", "/admin/models/many_to_many/promote", None, body)) == (401, "missing-key")
    assert guarded.ask("POST", "/admin/models/many_to_many/promote", "root", body)[:2] == (
        200,
        {"model": "many_to_many", "alias": "candidate", "version": version, "before": None},
    )
    guarded.until(lambda: "candidate" in guarded.ask("GET", "/models", "alice")[1]["workers"][0]["serving"]["many_to_many"])


def test_every_answer_has_the_headers_that_browsers_heed(guarded: Guarded) -> None:
    for path, key in (("/", "alice"), ("/models", "alice"), ("/models", None), ("/nope", None), ("/livez", None)):
        headers = guarded.ask("GET", path, key)[2]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in headers


def test_pages_of_listed_origins_may_ask_and_no_others(guarded: Guarded) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    status, _, headers = guarded.ask("OPTIONS", "/many_to_many", origin=ORIGIN, **asks)
    assert (status, headers["access-control-allow-origin"]) == (200, ORIGIN)
    status, _, headers = guarded.ask("OPTIONS", "/many_to_many", origin="https://evil.example", **asks)
    assert status == 400
    assert "access-control-allow-origin" not in headers
    assert guarded.ask("POST", "/many_to_many", "alice", BODY, origin=ORIGIN)[2]["access-control-allow-origin"] == ORIGIN
    assert (
        "access-control-allow-origin"
        not in guarded.ask("POST", "/many_to_many", "alice", BODY, origin="https://evil.example")[2]
    )


PIECES = (
    b"authorization",
    b"x-api-key",
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"Bearer ",
    b"chunked",
    b": ",
    b":",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\x00",
    b"\xff\xfe",
    b" ",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"unroll_",
    b"../",
    b"%2e%2e%2f",
    b"%00",
    b"HTTP/1.1",
    b"HTTP/2",
    b"a" * 300,
)
TARGETS = (
    b"/many_to_many",
    b"/admin/keys",
    b"/models",
    b"/",
    b"/metrics",
    b"/admin/../models",
    b"//models",
    b"*",
    b"http://x/models",
)


def malformed(dice: random.Random) -> bytes:
    method = dice.choice((b"GET", b"POST", b"OPTIONS", b"PUT", b"CONNECT", b"G\x00T"))
    head = [method, b" ", dice.choice(TARGETS), b" HTTP/1.1\r\n"]
    for _ in range(dice.randrange(6)):
        head += [dice.choice(PIECES), b": ", *dice.choices(PIECES, k=dice.randrange(4)), b"\r\n"]
    if dice.random() < 0.3:
        head += dice.choices(PIECES, k=5)
    return b"".join((*head, b"\r\n", b"0\r\n\r\n" * dice.randrange(2)))


def test_malformed_heads_let_nobody_in_and_break_nothing(guarded: Guarded) -> None:
    dice = random.Random(2026)
    statuses: list[int] = []
    context = guarded.context()
    for _ in range(1500):
        with (
            socket.create_connection(guarded.address, timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            # What is half a request gets no answer: the end of ours makes the service hang up.
            connection.sendall(malformed(dice) + b"\r\n\r\nGET /nope HTTP/1.1\r\nconnection: close\r\n\r\n\x00\r\n\r\n")
            answer = connection.recv(65_536)
        statuses += map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", answer))
    assert len(statuses) > 1000
    assert set(statuses) <= {400, 401, 404, 405, 431}
    assert {400, 401, 404} <= set(statuses)
    assert guarded.ask("POST", "/many_to_many", "alice", BODY)[0] == 200


def accepts(address: tuple[str, int], version: ssl.TLSVersion, cipher: str | None) -> str | None:
    """The cipher that is agreed upon by a client that speaks nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is asked about
        context.minimum_version = context.maximum_version = version
    if cipher is not None:
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    try:
        with socket.create_connection(address, timeout=30) as plain, context.wrap_socket(plain) as connection:
            agreed = connection.cipher()
            return agreed[0] if agreed else None
    except (ssl.SSLError, ConnectionResetError):
        return None


def test_tls_is_1_2_with_forward_secrecy_and_authenticated_encryption_or_1_3(guarded: Guarded) -> None:
    every = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    every.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = [cipher["name"] for cipher in every.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert len(names) > 50
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert accepts(guarded.address, old, "ALL") is None
    accepted = {name for name in names if accepts(guarded.address, ssl.TLSVersion.TLSv1_2, name)}
    assert accepted == {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"}
    assert accepts(guarded.address, ssl.TLSVersion.TLSv1_3, None) == "TLS_AES_256_GCM_SHA384"


def test_plain_http_is_not_spoken_on_the_port(guarded: Guarded) -> None:
    connection = http.client.HTTPConnection(*guarded.address, timeout=30)
    connection.request("GET", "/livez")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()


class Load:
    """Clients that ask without pause: half over connections that stay open, half over a new one for each request."""

    def __init__(self, guarded: Guarded, key: str, clients: int = 6) -> None:
        self._guarded, self.key = guarded, key
        self._stopped = threading.Event()
        self._answered = [0] * clients
        self._told = threading.Condition()
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        return sum(self._answered)

    def rounds(self, number: int) -> None:
        """Until every client has had so many answers more."""
        wanted = [count + number for count in self._answered]
        with self._told:
            done = self._told.wait_for(lambda: self.failed or all(map(int.__ge__, self._answered, wanted)), timeout=60)
        assert done
        assert self.failed == []

    def _run(self, number: int) -> None:
        connection = self._guarded.connect()
        while not self._stopped.is_set():
            headers = {**JSON, "authorization": f"Bearer {self._guarded.secrets[self.key]}"}
            try:
                connection.request("POST", "/many_to_many", BODY, headers)
                answer = connection.getresponse()
                answer.read()
                failure = None if answer.status == 200 else str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self._told:
                self._answered[number] += failure is None
                self.failed += [failure] if failure else []
                self._told.notify_all()
            if number % 2 or failure:
                connection.close()
                connection = self._guarded.connect()
        connection.close()


def test_keys_are_rotated_under_load_and_no_request_fails(guarded: Guarded) -> None:
    guarded.make("load-0", "predict")
    guarded.until(lambda: guarded.ask("GET", "/models", "load-0")[0] == 200)
    with Load(guarded, "load-0") as load:
        for number in range(1, 6):
            old, fresh = f"load-{number - 1}", f"load-{number}"
            guarded.make(fresh, "predict")
            guarded.until(lambda fresh=fresh: guarded.ask("GET", "/models", fresh)[0] == 200)  # type: ignore[misc]
            load.key = fresh
            load.rounds(10)  # and nobody has the old one in hand any more
            guarded.revoke(old)
            guarded.until(lambda old=old: guarded.ask("GET", "/models", old)[0] == 401)  # type: ignore[misc]
    assert load.failed == []
    assert load.answered > 300


def test_certificates_are_rotated_under_load_and_no_request_fails(guarded: Guarded) -> None:
    def shown() -> int:
        with (
            socket.create_connection(guarded.address, timeout=30) as plain,
            guarded.context().wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            return serial(connection.getpeercert(binary_form=True) or b"")

    with Load(guarded, "alice") as load:
        for _ in range(5):
            fresh = guarded.certify()
            guarded.until(lambda fresh=fresh: shown() == fresh)  # type: ignore[misc]
            load.rounds(10)
        guarded.tls.write(certificate=b"not a certificate", key=b"")
        load.rounds(20)
        assert shown() == fresh
    assert load.failed == []
    assert load.answered > 300


def test_admin_routes_go_with_the_last_admins_key(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/admin/keys", "root")[0] == 200
    gone = guarded.revoke("root")
    guarded.until(lambda: guarded.ask("GET", "/admin/keys", "root")[0] == 404)
    status, problem, _ = guarded.ask("GET", "/admin/keys", "alice")
    assert (status, "/admin" in problem["detail"].split("There is:")[1]) == (404, False)
    guarded.restore("root", gone)
    guarded.until(lambda: guarded.ask("GET", "/admin/keys", "root")[0] == 200)
