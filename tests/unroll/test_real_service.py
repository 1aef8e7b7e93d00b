"""The only tests that ask the real service, which they share: the same bits from everywhere, swaps, and docs/python.md."""

import ast
import asyncio
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from contract.rows import Floats
from contract.store import ModelStore
from service.errors import OutOfDomain, UnknownModel, UnknownVersion
from tests.asking import until
from tests.conftest import ROOT
from tests.service.own_models import publish_own
from tests.unroll.conftest import KINDS, given, over_http
from unroll import AsyncClient, Client, Model, Prediction
from unroll.commands.main import cli

PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def as_lists(answer: Prediction) -> dict[str, Any]:
    """As the service writes it."""
    fields = {"labels": answer.labels, "probabilities": answer.probabilities}
    if not answer.classes:
        fields = {"outputs" if answer.task != "echo" and answer.topology == "many_to_one" else "sequences": answer.outputs}
    written = {
        name: value.tolist() if isinstance(value, np.ndarray) else [row.tolist() for row in value or []]
        for name, value in fields.items()
    }
    return written | {"model": answer.model, "version": answer.version, "in_domain": answer.in_domain.tolist()}


def as_float32(told: dict[str, Any]) -> dict[str, Any]:
    def narrow(value: Any) -> Any:
        return [narrow(each) for each in value] if isinstance(value, list) else float(np.float32(value))

    return {name: narrow(value) if name in ("outputs", "sequences", "probabilities") else value for name, value in told.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_each_kind(name: str, kinds_url: str, client: Client, models: dict[str, Model]) -> None:
    rows = given(name)
    told = as_float32(over_http(kinds_url, name, rows))

    async def asked() -> Prediction:
        async with AsyncClient(kinds_url) as own:
            return await own.predict(name, rows)

    for answer in (models[name].predict(rows), client.predict(name, rows), asyncio.run(asked())):
        written = as_lists(answer)
        assert written == {field: told[field] for field in written}
        assert answer.classes == tuple(told.get("classes", ()))
        assert not answer.in_domain[1]


@pytest.mark.parametrize("name", ["many_to_many", "walks"])
def test_more_rows_than_one_request_may_have(name: str, client: Client, models: dict[str, Model]) -> None:
    """Ten requests, and many calls of the model: the limit of the service is 10,000 rows."""
    features = len(models[name].features)
    rows: Floats = np.random.default_rng(5).uniform(-4, 4, (100_000, 3, features)).astype(np.float32)
    answer, alone = client.predict(name, rows), models[name].predict(rows)
    assert np.array_equal(answer.values, alone.values)
    assert np.array_equal(answer.in_domain, alone.in_domain)
    assert 0 < answer.in_domain.sum() < len(answer) == 100_000
    assert answer.version == models[name].version


def test_a_real_service_is_ready_names_its_models_and_refuses_what_is_wrong(client: Client, kinds: Path) -> None:
    assert client.ready()
    assert {model.name for model in client.models()} == {*ModelStore(kinds / "models").names()}
    with pytest.raises(UnknownModel, match=r"Did you mean walks\?"):
        client.predict("walk", [[0.1]])
    with pytest.raises(UnknownVersion):
        client.predict("walks@champion", [[[0.1, 0.2]]])
    with pytest.raises(OutOfDomain) as outside:
        client.predict("many_to_many", [[0.1]] * 20_005 + [[9.0]], strict=True)
    assert outside.value.row == 20_005
    assert "row 20005, step 0" in outside.value.detail


def test_a_swap_between_two_requests_of_a_call_changes_no_row(kinds: Path, client: Client) -> None:
    store, rows = ModelStore(kinds / "models"), np.full((25_000, 2, 1), 0.5, np.float32)
    store.promote("level", "moving", store.aliases("level")["production"].version)
    until(lambda: "moving" in {alias for model in client.models() for alias in model.aliases})
    before = client.predict("level@moving", rows[:1])
    exchange = client._exchanges.predict("level@moving", rows, False, None, None, None)
    requests = next(exchange)
    requests = exchange.send(client._ask_all(requests))
    store.promote("level", "moving", publish_own(store, "level", seed=7).version)
    until(lambda: client.predict("level@moving", rows[:1]).version != before.version)
    with pytest.raises(StopIteration) as ended:
        exchange.send(client._ask_all(requests))
    answer = ended.value.value
    assert (answer.version, len(answer)) == (before.version, 25_000)
    assert np.array_equal(answer.values, np.tile(before.values, (25_000, 1)))
    assert not np.array_equal(client.predict("level@moving", rows[:1]).values, before.values)


@pytest.fixture
def used(kinds: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a user whose store has all kinds of models."""
    monkeypatch.setenv("UNROLL_MODELS_DIR", str(kinds / "models"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("used")
def test_the_examples_run_as_they_stand(kinds_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    examples = [text.replace("http://127.0.0.1:3000", kinds_url) for language, text in BLOCKS if language == "python"]
    assert len(examples) == 5

    async def run() -> None:
        for example in examples:
            code = compile(example, "docs/python.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # as a notebook does
            if inspect.isawaitable(done := eval(code, names)):
                await done

    asyncio.run(run())
    shown = capsys.readouterr().out
    assert "<Prediction of many_to_many@" in shown
    assert "100,000 rows; outputs (100000, 5)" in shown
    assert "{np.str_('a'): np.str_(" in shown
    assert "urn:unroll:error:out-of-domain 422 1 expected value from 0 up to 1" in shown


def test_the_commands_run_as_they_stand(used: Path) -> None:
    (used / "walks.csv").write_text("walk,x,y\na,0.1,1\na,0.2,2\nb,0.3,3\n")
    pq.write_table(pa.table({"value": [[0.1, 0.2], [0.3]]}), used / "rows.parquet")
    (commands,) = [text.splitlines() for _, text in BLOCKS if text.startswith("unroll predict")]
    for command in commands:
        done = CliRunner().invoke(cli, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
    assert pq.read_table("answers.parquet")["walk"].to_pylist() == ["a", "b"]
    with np.load("answers.npz") as arrays:
        assert arrays["lengths"].tolist() == [2, 1]
