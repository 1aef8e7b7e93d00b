import pytest
from pydantic import ValidationError

from service.settings import Settings, misspelt


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


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("UNROLL_WORKER", "UNROLL_WORKERS"),
        ("UNROLL_KEYFILE", "UNROLL_KEYS_FILE"),
        ("UNROLL_KEY_FILE", "UNROLL_KEYS_FILE"),
        ("UNROLL_MODEL_DIR", "UNROLL_MODELS_DIR"),
        ("UNROLL_LOGFORMAT", "UNROLL_LOG_FORMAT"),
        ("UNROLL_TIMEOUT", "UNROLL_TIMEOUT_MS"),
        ("UNROLL_TLS_CERT", "UNROLL_TLS_CERTIFICATE_FILE"),
        ("unroll_hots", "UNROLL_HOST"),
    ],
)
def test_a_misspelt_variable_is_told_the_nearest(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SystemExit) as caught:
        Settings.read()
    assert str(caught.value) == f"{variable} is no setting. Did you mean {meant}?"


def test_a_port_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_PORT", "8080")
    with pytest.raises(SystemExit, match=r"^UNROLL_PORT is no setting\. Name the port with --port 8080\.$"):
        Settings.read()


def test_what_orchestrators_inject_and_clients_use_is_no_slip() -> None:
    of_kubernetes = {
        "UNROLL_SERVICE_HOST": "10.0.0.7",
        "UNROLL_SERVICE_PORT": "3000",
        "UNROLL_SERVICE_PORT_HTTP": "3000",
        "UNROLL_PORT": "tcp://10.0.0.7:3000",
        **{f"UNROLL_PORT_3000_TCP{end}": "" for end in ("", "_PROTO", "_PORT", "_ADDR")},
        "UNROLL_HOST_SERVICE_HOST": "10.0.0.8",
        "UNROLL_CANARY_PORT_3000_TCP_ADDR": "10.0.0.8",
    }
    assert misspelt(of_kubernetes | {"UNROLL_KEY": "unroll_x", "UNROLL_OF_ANOTHER_PROGRAM": "1", "WORKER": "1"}) == []
