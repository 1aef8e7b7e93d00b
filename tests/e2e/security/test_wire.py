"""What is spoken: TLS and its ciphers, and what malformed heads come to."""

import http.client
import json
import random
import re
import socket
import ssl
import warnings

import pytest

from tests.e2e.security.guarded import BODY, Guarded

PIECES = (
    b"authorization",
    b"x-api-key",
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"baggage",
    b"\xff\\x",
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
PROBES = (b"/livez", b"/readyz", b"/healthz")
TARGETS = (
    b"/many_to_many",
    b"/admin/keys",
    b"/models",
    b"/",
    b"/metrics",
    *PROBES,
    b"/docs/" + b"a" * 256,
    b"/admin/../models",
    b"//models",
    b"*",
    b"http://x/models",
)


def malformed(dice: random.Random) -> bytes:
    method = dice.choice((b"GET", b"POST", b"OPTIONS", b"PUT", b"CONNECT", b"G\x00T"))
    head = [method, b" ", dice.choice(TARGETS), b" HTTP/1.1\r\n", b"host: x\r\n" * (dice.random() < 0.9)]
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
            head = malformed(dice)
            connection.sendall(head + b"\r\n\r\nGET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n\x00\r\n\r\n")
            answer = connection.recv(65_536)
        said = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
        statuses += said
        assert set(said) <= {400, 401, 404, 405, 431, 501} | ({200} if head.split(b" ")[1] in (*PROBES, b"/") else set()), head
    assert len(statuses) > 1000
    assert {200, 400, 401, 404} <= set(statuses)
    assert guarded.ask("POST", "/many_to_many", "alice", BODY)[0] == 200


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("header", [b"a: \xff\\x", b"baggage: " + b"\xff," * 2000, b"tracestate: ?", b"traceparent: \xff"])
def test_no_header_breaks_a_probe(guarded: Guarded, path: bytes, header: bytes) -> None:
    with (
        socket.create_connection(guarded.address, timeout=30) as plain,
        guarded.context().wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


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


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", "x" * 1_000_000)])
def test_plain_http_is_told_to_speak_tls(guarded: Guarded, method: str, body: str | None) -> None:
    connection = http.client.HTTPConnection(*guarded.address, timeout=30)
    connection.request(method, "/livez", body)
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    connection.close()
    assert (answer.status, problem["type"]) == (400, "urn:unroll:error:not-tls")
    assert problem["detail"] == "expected TLS on this port; received plain HTTP. Type https:// in place of http://."
    assert answer.headers["connection"] == "close"
