"""What is printed once the service answers."""

import logging
from pathlib import Path

import pytest

from contract.hints import typed
from service.hosting.ready import Example, Ready

LONG = Example("sales", "20261130-1", ["candidate", "production"], {"sequences": [[1, 2, 3, 4]]})
SHORT = Example("one_to_one", "20261130-22", [], {"sequences": [[0.1]]})
JSON = "-H 'content-type: application/json'"
BODY = "-d '{\"sequences\": [[0.1]]}'"


def said(ready: Ready, capsys: pytest.CaptureFixture[str], name: object, tls: bool = False) -> list[str]:
    ready.models = lambda: [LONG, SHORT]
    ready.say(name, tls)
    return capsys.readouterr().out.splitlines()


def test_it_lists_the_models_and_ends_with_a_short_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(Ready("text", None, ()), capsys, ("127.0.0.1", 3000)) == [
        "  sales       20261130-1   candidate, production",
        "  one_to_one  20261130-22  ",
        "ready: http://127.0.0.1:3000",
        "page:  http://127.0.0.1:3000/",
        f"try:   curl -s http://127.0.0.1:3000/models/one_to_one/predict {JSON} {BODY}",
    ]


def test_with_tls_keys_and_hosts_the_request_has_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(Ready("text", Path("keys.jsonl"), ("example.org",)), capsys, ("0.0.0.0", 443), tls=True)
    assert lines[2:] == [
        "ready: https://0.0.0.0:443",
        "page:  https://127.0.0.1:443/",
        f"try:   curl -sk https://127.0.0.1:443/models/one_to_one/predict {JSON} '-Hhost: example.org' "
        f'-H "authorization: Bearer $UNROLL_KEY" {BODY}',
        f"key:   put a key of keys.jsonl into UNROLL_KEY; `{typed('keys new NAME')}` makes one",
    ]


@pytest.mark.parametrize("hosts", [("*",), ("example.org", "localhost")])
def test_an_address_of_ipv6_is_in_brackets(hosts: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(Ready("text", None, hosts), capsys, ("::", 3000, 0, 0))
    assert lines[2:4] == ["ready: http://[::]:3000", "page:  http://[::1]:3000/"]
    assert "host:" not in lines[4]


def test_the_path_of_a_socket_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(Ready("text", None, ()), capsys, "/run/unroll.sock") == ["ready: /run/unroll.sock"]


def test_as_json_it_is_one_line_of_the_log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert said(Ready("json", None, ()), capsys, ("127.0.0.1", 3000)) == []
    assert caplog.messages == ["ready: http://127.0.0.1:3000"]
