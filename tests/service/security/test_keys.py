import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from service.security import keys
from service.security.keys import KeysUnreadable, digest, line, new, parse
from tests.conftest import ROOT


def test_a_new_key_is_found_by_its_digest_and_only_the_digest_is_kept() -> None:
    secret, key = new("alice", ["predict"], days=30, rate=5, burst=None)
    found = parse(line(key))[digest(secret.encode())]
    assert found == key
    assert (found.name, sorted(found.scopes), found.rate, found.most_at_once) == ("alice", ["predict"], 5, 5)
    assert found.expires is not None
    assert timedelta(days=29) < found.expires - datetime.now(UTC) <= timedelta(days=30)
    assert secret.removeprefix("unroll_") not in line(key)


def test_keys_are_256_random_bits() -> None:
    secrets = {new("a", ["predict"], None, None, None)[0] for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"unroll_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_empty_lines_and_comments_are_skipped_and_names_may_be_shared() -> None:
    first, second = (line(new("alice", ["predict"], None, None, None)[1]) for _ in range(2))
    assert len(parse(f"# rotated in May\n{first}\n\n  \n{second}\n")) == 2
    assert parse("# nobody yet\n") == {}


GOOD = {"name": "alice", "sha256": "0" * 64, "scopes": ["predict"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: the line: Invalid JSON"),
        ("[]", "line 1: the line: Input should be an object"),
        (json.dumps(GOOD) + '\n{"name": "b"', "line 2"),
        (json.dumps(GOOD | {"name": "a b"}), "line 1: name"),
        (json.dumps(GOOD | {"sha256": "0" * 63}), "line 1: sha256"),
        (json.dumps(GOOD | {"scopes": []}), "line 1: scopes"),
        (json.dumps(GOOD | {"scopes": ["root"]}), "line 1: scopes"),
        (json.dumps(GOOD | {"expires": "2027-01-01T00:00:00"}), "line 1: expires"),
        (json.dumps(GOOD | {"rate": 0}), "line 1: rate"),
        (json.dumps(GOOD | {"burst": 0}), "line 1: burst"),
        (json.dumps(GOOD | {"key": "unroll_secret"}), "line 1: key: Extra inputs"),
        (f"{json.dumps(GOOD)}\n{json.dumps(GOOD | {'name': 'bob'})}", "line 2 has the same key"),
        ("unroll_secret", "line 1 is a key itself"),
    ],
)
def test_an_unusable_line_is_named_and_never_quoted(text: str, message: str) -> None:
    with pytest.raises(KeysUnreadable) as refused:
        parse(text)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_command_prints_the_line_to_store_and_shows_the_key_apart() -> None:
    command = [
        sys.executable,
        "-m",
        "service.security.keys",
        "new",
        "bob",
        "--scope",
        "admin",
        "--scope",
        "predict",
        "--rate",
        "2.5",
    ]
    made = subprocess.run([*command, "--burst", "9"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    secret = made.stderr.split()[-1]
    (key,) = parse(made.stdout).values()
    assert key.digest == digest(secret.encode())
    assert (key.name, sorted(key.scopes), key.rate, key.most_at_once) == ("bob", ["admin", "predict"], 2.5, 9)


def test_the_command_explains_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        keys.keys(["new", "not a name"])
    assert "name: String should match pattern" in capsys.readouterr().err
    for days in ("4000000", "nan"):
        with pytest.raises(SystemExit):
            keys.keys(["new", "bob", "--days", days])
        assert "days: expected a number of days before the year 10000; received" in capsys.readouterr().err
