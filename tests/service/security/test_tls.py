"""Handshakes in memory; the listing of ciphers and the rotation under load are in tests/e2e/security."""

import ssl
from pathlib import Path

import pytest
import trustme

from service.security.reloaded_files import Unusable
from service.security.tls import Certificates, Clients, tls_options


def write(folder: Path, certificate: trustme.LeafCert, key: trustme.LeafCert) -> None:
    (folder / "certificate").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    (folder / "key").write_bytes(key.private_key_pem.bytes())


def shake(
    server: ssl.SSLContext, authority: trustme.CA, host: str | None = "localhost", mine: trustme.LeafCert | None = None
) -> bytes:
    """The certificate, DER, that a client gets to see; it shows `mine`, if it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = host is not None
    authority.configure_trust(context)
    if mine is not None:
        mine.configure_cert(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=host)
    service = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, service]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    return client.getpeercert(binary_form=True) or b""


def der(certificate: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())


@pytest.mark.parametrize("host", ["localhost", None], ids=["named", "unnamed"])
def test_a_new_certificate_is_shown_from_the_next_handshake_on(tmp_path: Path, host: str | None) -> None:
    authority = trustme.CA()
    first, second = (authority.issue_cert("localhost") for _ in range(2))
    write(tmp_path, first, first)
    certificates = Certificates(tmp_path / "certificate", tmp_path / "key")
    assert shake(certificates.context, authority, host) == der(first)
    write(tmp_path, second, second)
    certificates.look()
    assert shake(certificates.context, authority, host) == der(second)


def test_a_new_certificate_is_not_used_before_its_key_is_there(tmp_path: Path) -> None:
    authority = trustme.CA()
    first, second = (authority.issue_cert("localhost") for _ in range(2))
    write(tmp_path, first, first)
    certificates = Certificates(tmp_path / "certificate", tmp_path / "key")
    write(tmp_path, second, first)
    certificates.look()
    assert shake(certificates.context, authority) == der(first)
    write(tmp_path, second, second)
    certificates.look()
    assert shake(certificates.context, authority) == der(second)


def test_a_certificate_without_its_key_is_an_error_at_the_start(tmp_path: Path) -> None:
    authority = trustme.CA()
    write(tmp_path, authority.issue_cert("localhost"), authority.issue_cert("localhost"))
    with pytest.raises(Unusable, match=r"are not a certificate with its key: .*MISMATCH"):
        Certificates(tmp_path / "certificate", tmp_path / "key")
    with pytest.raises(Unusable, match="cannot be read"):
        Certificates(tmp_path / "certificate", tmp_path / "missing")


def test_clients_may_have_to_show_a_certificate_and_still_do_after_a_rotation(tmp_path: Path) -> None:
    authority, another = trustme.CA(), trustme.CA()
    first, second = (authority.issue_cert("localhost") for _ in range(2))
    authority.cert_pem.write_to_path(str(tmp_path / "authorities"))
    write(tmp_path, first, first)
    clients = Clients(ssl.CERT_REQUIRED, str(tmp_path / "authorities"))
    certificates = Certificates(tmp_path / "certificate", tmp_path / "key", clients=clients)
    for shown in (first, second):
        write(tmp_path, shown, shown)
        certificates.look()
        assert shake(certificates.context, authority, mine=authority.issue_cert("client")) == der(shown)
        for stranger in (another.issue_cert("client"), None):
            with pytest.raises(ssl.SSLError):
                shake(certificates.context, authority, mine=stranger)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT"])
def test_plain_http_is_answered_once_and_nothing_of_it_is_kept(tmp_path: Path, method: bytes) -> None:
    authority = trustme.CA()
    write(tmp_path, (leaf := authority.issue_cert("localhost")), leaf)
    certificates = Certificates(tmp_path / "certificate", tmp_path / "key", to_plain_http=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    arrives, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificates.context.wrap_bio(arrives, leaves, server_side=True)
    arrives.write(method + b" / HTTP/1.1\r\nhost: x\r\n\r\n")
    for _ in range(2):
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        arrives.write(b"more")
    assert leaves.read() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert arrives.read() == b"more"
    write(tmp_path, (leaf := authority.issue_cert("localhost")), leaf)
    certificates.look()
    assert shake(certificates.context, authority) == der(leaf)  # others are served as ever


def test_what_is_neither_tls_nor_http_fails_the_handshake(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("localhost")
    write(tmp_path, leaf, leaf)
    certificates = Certificates(tmp_path / "certificate", tmp_path / "key", to_plain_http=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    arrives, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
    arrives.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        certificates.context.wrap_bio(arrives, leaves, server_side=True).do_handshake()
    assert b"HTTP" not in leaves.read()


def test_tls_needs_files_that_can_be_used(tmp_path: Path) -> None:
    assert tls_options(None, None) == {"enabled": False}
    with pytest.raises(Unusable, match="missing cannot be read"):
        tls_options(tmp_path / "missing", tmp_path / "missing")
