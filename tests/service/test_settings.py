import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_CORS_ORIGINS", "https://a.example, http://localhost:8080,")
    assert Settings().cors_origins == ("https://a.example", "http://localhost:8080")


@pytest.mark.parametrize("stated", ["*", "https://*", "a.example", "https://a.example/", "null"])
def test_what_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv("UNROLL_CORS_ORIGINS", stated)
    with pytest.raises(ValidationError, match="expected origins such as"):
        Settings()


def test_a_certificate_without_a_key_is_refused_and_an_empty_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_TLS_CERTIFICATE_FILE", "/tls/certificate")
    with pytest.raises(ValidationError, match="or neither; received one"):
        Settings()
    monkeypatch.setenv("UNROLL_TLS_CERTIFICATE_FILE", "")
    monkeypatch.setenv("UNROLL_KEYS_FILE", "")
    assert (Settings().tls_certificate_file, Settings().keys_file) == (None, None)
