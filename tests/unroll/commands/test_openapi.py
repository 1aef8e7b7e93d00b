"""`unroll openapi --url`: what it sends, and to whom."""

import pytest
from click.testing import CliRunner

from tests.unroll.fake_service import Say, answering
from unroll.commands.openapi import openapi

DOCUMENT = Say(200, {"openapi": "3.1.0", "paths": {}})


def test_a_key_goes_to_the_service_that_was_named_and_not_where_its_answer_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with (
        answering(lambda _: DOCUMENT) as (other, others),
        answering(lambda _: Say(302, b"", {"location": f"{other}/x"})) as (url, heard),
    ):
        done = CliRunner().invoke(openapi, ["--url", url, "--key", "secret"])
    assert done.exit_code == 0, done.output
    assert [each.headers.get("Authorization") for each in heard] == ["Bearer secret"]
    assert [each.path for each in others] == ["/x"]
    assert "Authorization" not in others[0].headers
