import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_CORS_ORIGINS", "https://a.example, http://localhost:8080,")
    assert Settings().cors_origins == ("https://a.example", "http://localhost:8080")


def test_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_ALLOWED_HOSTS", "a.example, [::1],127.0.0.1,*")
    assert Settings().allowed_hosts == ("a.example", "[::1]", "127.0.0.1", "*")


@pytest.mark.parametrize("stated", ["*", "https://*", "a.example", "https://a.example/", "null"])
def test_a_setting_that_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"UNROLL_WORKERS": "0"}, "UNROLL_WORKERS: Input should be greater than or equal to 1; received '0'"),
        ({"UNROLL_RUNTIME": "torch"}, "UNROLL_RUNTIME: Input should be 'auto', 'onnx' or 'tensorflow'; received 'torch'"),
        ({"UNROLL_ALLOWED_HOSTS": "a.example:80"}, "UNROLL_ALLOWED_HOSTS: expected names such as example.org"),
        ({"UNROLL_ALLOWED_HOSTS": "http://a"}, "UNROLL_ALLOWED_HOSTS: expected names such as example.org"),
        ({"UNROLL_CORS_ORIGINS": "*"}, "UNROLL_CORS_ORIGINS: expected origins such as"),
        (
            {"UNROLL_GRACE_SECONDS": "25", "UNROLL_DRAIN_SECONDS": "60"},
            "expected UNROLL_GRACE_SECONDS to be more than UNROLL_DRAIN_SECONDS; received 25 and 60",
        ),
        (
            {"UNROLL_TIMEOUT_MS": "70000"},
            "expected UNROLL_TIMEOUT_MS to be at most UNROLL_MAX_TIMEOUT_MS; received 70000 and 60000",
        ),
        ({"UNROLL_WORKERS": "0", "UNROLL_MAX_ROWS": "many"}, "\nUNROLL_MAX_ROWS: "),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        Settings.read()
    assert said in str(caught.value)
