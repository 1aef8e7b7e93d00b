import asyncio
import contextlib
import gc
import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.rows import Rows
from service.engine.engine import Engine, Predicted
from service.errors import InvalidRequest, NotJSON, TooManyValues
from service.http.messages import Request
from service.protocols.native import Asked, Native, parse, render
from service.protocols.native_faults import NUMBERS, Expected
from service.protocols.native_reader import read, read_in_turns, rows_of
from service.protocols.schemas import PredictionRequest
from service.request_context import Caller
from service.runtime.loaded_model import LoadedModel
from tests.service.conftest import BARS, FakeModels


def test_numbers_of_every_spelling_are_read() -> None:
    assert parse(b' {"sequences": [[0, 1.5, -2e-3], [1E2]]} ').sequences == [[0.0, 1.5, -0.002], [100.0]]


BODY = '{"sequences": [[0.1]]}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "received an empty body"),
        (b"{", "expected a JSON object"),
        (b"sequences=1", "expected a JSON object"),
        (b'{"sequences": [[0.1]]', "expected a JSON object"),
        (b"\xff\xfe", "expected JSON in UTF-8, without a byte order mark; received UTF-16"),
        (BODY.encode("utf-8-sig"), "received a byte order mark. Encode the text as UTF-8"),
        (BODY.encode("utf-16"), "received UTF-16"),
        (BODY.encode("utf-16-be"), "received UTF-16-BE"),
        (BODY.encode("utf-32"), "received UTF-32"),
        (BODY.encode("utf-32-le"), "received UTF-32-LE"),
    ],
)
def test_a_body_that_is_not_json_is_reported_as_such(body: bytes, said: str) -> None:
    with pytest.raises(NotJSON) as caught:
        parse(body)
    assert said in caught.value.detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", 'expected an object {"sequences": [[...], ...]}; received []'),
        ("null", "received null"),
        ("{}", "expected the field sequences, and optionally model_version, routing_key and strict; received none"),
        ('{"sequence": [[1]]}', 'received a field "sequence". Did you mean sequences?'),
        ('{"sequences": [[1]], "x": 1}', 'received a field "x". Leave it out.'),
        ('{"sequences": [[1]], "model_version": 3}', "expected text of at most 100 characters; received 3 at model_version"),
        ('{"sequences": [[1]], "routing_key": [1]}', "expected text of at most 200 characters; received [1] at routing_key"),
        ('{"sequences": 3}', "expected a list of rows; received 3 at sequences"),
        ('{"sequences": null}', "expected a list of rows; received null"),
        ('{"sequences": [0.0, 0.2]}', "the number 0.0 at sequences[0]. Put each row in a list of its own: [[0.0, 0.2]]"),
        ('{"sequences": [[0.1], [[0.0]]]}', "a list at sequences[1][0]. Items are plain numbers: [[0.0]], not [[[0.0]]]"),
        ('{"sequences": ["abc"]}', 'expected a row (a list of numbers); received "abc" at sequences[0]'),
        ('{"sequences": [[], [null]]}', "received null at sequences[1][0]"),
        ('{"sequences": [[0.1, "a"]]}', 'expected a number; received "a" at sequences[0][1]'),
        ('{"sequences": [["0.1"]]}', 'expected a number; received "0.1" at sequences[0][0]'),
        ('{"sequences": [[null]]}', "expected a number; received null at sequences[0][0]"),
        ('{"sequences": [[true]]}', "expected a number; received true at sequences[0][0]"),
        ('{"sequences": [[0.1], [NaN]]}', "expected finite numbers; received NaN at sequences[1][0]"),
        ('{"sequences": [[-Infinity]]}', "received -Infinity at sequences[0][0]"),
        ('{"sequences": [[1e400]]}', "expected finite numbers; received 1e400"),
        ('{"sequences": [[1' + 400 * "0" + "]]}", "expected finite numbers; received 1000"),
        ('{"sequences": [[1' + 5000 * "0" + "]]}", "expected finite numbers; received 1000"),
        ('{"' + 100_000 * "x" + '": 1}', "expected the field sequences"),
        ("[" * 100_000, "expected an object"),
        ('{"sequences": ' + "[" * 100_000, "hundreds of nested lists"),
        ('{"sequences": ' + "[" * 500 + "]" * 500 + "}", "a list at sequences[0][0]"),
        ('{"sequences": [[0.1, NaN, "a"]]}', "received NaN at sequences[0][1]"),
        ('{"sequences": [[0.1, 1e400, NaN]]}', "received NaN at sequences[0][2]"),
        ('{"sequences": [[0.1, "a"], [NaN]]}', "received NaN at byte 28"),
        ('{"sequences": [[1]], "model_version": NaN}', "received NaN at byte 38"),
        ('{"sequences": [[0.1], [2, 1e400]]}', "received 1e400 at sequences[1][1]"),
        ('{"sequences": [[0.1], [], [1e400]]}', "received 1e400 at sequences[2][0]"),
        ('{"sequences": [1, "a"]}', "the number 1 at sequences[0]"),
        ('{"sequences": [NaN]}', "expected finite numbers; received NaN at sequences[0]"),
        ('{"sequences": [[1]], "model_version": "' + 200 * "v" + '"}', "expected text of at most 100 characters"),
        ('{"sequences": [[0.1, {"a": 1}]]}', "expected a number; received an object at sequences[0][1]"),
    ],
)
def test_a_wrong_body_is_explained(body: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as in_turns:
        asyncio.run(read_in_turns(body.encode(), NUMBERS, math.inf, math.inf))
    with pytest.raises(InvalidRequest) as caught:
        parse(body.encode())
    assert caught.value.detail == in_turns.value.detail
    assert said in caught.value.detail
    assert len(caught.value.detail) < 400  # a body is never echoed whole


def cost(body: bytes, expected: Expected = NUMBERS) -> float:
    """Processor seconds until the body is parsed or explained: the best of several."""
    native = Native(Engine(FakeModels({}), BARS), max_rows=10_000, max_items=500_000)

    async def asked() -> None:
        with contextlib.suppress(InvalidRequest, NotJSON):
            await native._asked_in_turns(body, expected)

    least = math.inf
    for _ in range(5):
        begun = time.process_time()
        asyncio.run(asked())
        least = min(least, time.process_time() - begun)
    return least


WRONG = {
    "unknown fields": b"{" + b",".join(b'"%06d":1' % number for number in range(600_000)) + b"}",
    "too many rows, the last is null": b'{"sequences":[' + b"[1]," * 1_900_000 + b"[null]]}",
    "too many items and a text": b'{"sequences":[[' + b"1," * 4_000_000 + b'"a"]]}',
    "too many items and NaN": b'{"sequences":[[' + b"1," * 4_000_000 + b"NaN]]}",
    "items and a text": b'{"sequences":[[' + b"0.12345678901234," * 480_000 + b'"a"]]}',
    "items and NaN": b'{"sequences":[[' + b"0.12345678901234," * 480_000 + b"NaN]]}",
    "items and a number that is infinite": b'{"sequences":[[' + b"0.12345678901234," * 480_000 + b"1e400]]}",
    "items and a list": b'{"sequences":[[' + b"0.12345678901234," * 480_000 + b"[1]]]}",
    "tiny numbers and an object": b'{"sequences":[[' + b"4.9406564584124654e-324," * 340_000 + b"{}]]}",
    "objects": b'{"sequences":[' + b'{"a":1},' * 480_000 + b"1]}",
    "unclosed": b'{"sequences":[[' + b"0.12345678901234," * 480_000,
}


STEPS = b"[0.12345678901234,-1.5]"
WRONG_STEPS = {
    "steps and a text": b'{"sequences":[[' + STEPS + b"," + b",".join([STEPS] * 240_000) + b',[1,"a"]]]}',
    "steps and a list": b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b",[1,[2]]]]}",
    "steps and a number": b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b",1]]}",
    "steps and an object": b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b",{}]]}",
    "steps and a number that is infinite": b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b",[1,1e400]]]}",
    "steps and a step of three": b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b",[1,2,3]]]}",
    "rows of one step and a text": b'{"sequences":[' + b",".join([b"[" + STEPS + b"]"] * 9_999) + b',[["a",2]]]}',
    "too many empty steps": b'{"sequences":[[' + b"[]," * 2_500_000 + b"[]]]}",
    "too many rows": b'{"sequences":[' + b"[[]]," * 400_000 + b"[[]]]}",
}
TWO = NUMBERS._replace(features=2, steps=True)


@pytest.mark.parametrize("body", WRONG_STEPS.values(), ids=WRONG_STEPS.keys())
def test_a_wrong_body_of_steps_costs_no_more_than_a_few_times_a_right_one(body: bytes) -> None:
    """Lists of two numbers are the worst case: 2.3 to 2.7 times (2026-11-30)."""
    right = b'{"sequences":[[' + b",".join([STEPS] * 240_000) + b"]]}"
    with pytest.raises((InvalidRequest, NotJSON)):
        rows_of(parse(body, TWO, 10_000, 500_000).sequences, TWO)
    gc.disable()  # it would look at all that these tests hold; that of a service looks at new objects only
    try:
        assert cost(body, TWO) < 4 * cost(right, TWO)
    finally:
        gc.enable()


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_body_costs_no_more_than_twice_a_right_one(body: bytes) -> None:
    """At most 1.5 times on a machine without other work (../../../benchmarks/LOG.md)."""
    right = b'{"sequences":[[' + b"0.12345678901234," * 480_000 + b"1]]}"
    with pytest.raises((InvalidRequest, NotJSON)):
        parse(body, NUMBERS, 10_000, 500_000)
    assert cost(body) < 2 * cost(right)


def test_numbers_that_take_other_readers_long_cost_no_more_than_others() -> None:
    tiny = b'{"sequences":[[' + b"4.9406564584124654e-324," * 340_000 + b"1]]}"
    assert parse(tiny).sequences[0][:2] == [5e-324, 5e-324]
    assert cost(tiny) < 3 * cost(b'{"sequences":[[' + b"0.12345678901234567890," * 340_000 + b"1]]}")


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1), min_size=1))
def test_large_bodies_are_read_as_small_ones_are(sequences: list[list[float]]) -> None:
    body = json.dumps({"sequences": sequences, "model_version": "v", "routing_key": None}).encode()
    with np.errstate(over="ignore"):
        small, large = Rows.of(parse(body).sequences), Rows.of(read(body).sequences)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.protocols.native_reader.PART_BYTES", 8)
        in_turns, wanted, key, strict = asyncio.run(read_in_turns(body, NUMBERS, math.inf, math.inf))
    for rows in (large, in_turns):
        assert (rows.values.tolist(), rows.lengths) == (small.values.tolist(), small.lengths)
    assert (wanted, key, strict) == ("v", None, False)


def test_a_body_with_too_much_is_refused_before_its_numbers_are_read() -> None:
    body = b'{"sequences": [[1, 2], [3]], "routing_key": "[[[[,,,,"}'
    assert read(body, NUMBERS, 2, 3).sequences == [[1, 2], [3]]
    with pytest.raises(TooManyValues, match="expected at most 1 rows in one request; received 2"):
        read(body, NUMBERS, 1, 3)
    with pytest.raises(TooManyValues, match="expected at most 2 items in one request; received 3"):
        read(body, NUMBERS, 2, 2)


def test_one_long_body_is_read_while_others_get_their_turns(
    models: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def in_turns(body: bytes, *others: Any) -> Any:
        seen.append("long")
        return await read_in_turns(body, *others)

    class Noting(Native):
        def _asked(self, body: bytes, expected: Expected) -> Asked:
            seen.append("short")
            return super()._asked(body, expected)

    async def scenario() -> None:
        native = Noting(Engine(FakeModels(models), BARS), max_rows=100, max_items=100)
        handle = next(route.handle for route in native.routes if route.path == "/many_to_many")

        def asked(numbers: int) -> "asyncio.Future[Any]":
            body = json.dumps({"sequences": [[0.5] * numbers]}).encode()
            return asyncio.ensure_future(handle(Request(body, Caller())))

        long = [asked(20) for _ in range(3)]
        short = [asked(1) for _ in range(2)]
        await asyncio.gather(*short)
        assert seen == ["long", "short", "short"]
        await asyncio.gather(*long)
        assert seen.count("long") == 3

    monkeypatch.setattr("service.protocols.native.LONG_BYTES", 40)
    monkeypatch.setattr("service.protocols.native.read_in_turns", in_turns)
    asyncio.run(scenario())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(["sequences", "x"]), children, max_size=2)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(json_values)
def test_any_json_is_either_rows_of_numbers_or_explained(document: Any) -> None:
    try:
        rows = parse(json.dumps(document).encode()).sequences
    except InvalidRequest:
        return
    assert rows == document["sequences"]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_either_rows_or_explained(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest, NotJSON):
        assert isinstance(parse(body).sequences, list)


@pytest.mark.parametrize("sequences", [[[0.1, 0.2], [0.3, 0.4]], [[0.1, 0.2], [0.3]]], ids=["uniform", "ragged"])
def test_an_answer_holds_float32_values_in_as_few_digits_as_give_them_back(
    models: dict[str, LoadedModel], sequences: list[list[float]]
) -> None:
    rows = Rows.of(sequences)
    answer = json.loads(render(Predicted(models["many_to_many"], rows, rows.values, [True, False])))
    assert answer["sequences"] == sequences
    assert answer["model_input_shape"] == answer["model_output_shape"] == [2, 2, 1]
    assert answer["in_domain"] == [True, False]
    assert (answer["topology"], answer["model"]) == ("many_to_many", "many_to_many")
    assert np.concatenate([np.float32(row) for row in answer["sequences"]]).tolist() == rows.values.ravel().tolist()


def test_calls_inside_the_process_get_the_same_answer(models: dict[str, LoadedModel]) -> None:
    """BentoML's endpoint functions call this; over HTTP the transport answers first."""

    native = Native(Engine(FakeModels(models), BARS), max_rows=2, max_items=4)
    prediction = asyncio.run(native.predict("many_to_one", PredictionRequest(sequences=[[0.1, 0.2, 0.3]])))
    assert (prediction.model, prediction.sequences) == ("many_to_one_3", [[0.1, 0.2, 0.3]])
    for too_many in ([[0.1]] * 3, [[0.1] * 5]):
        with pytest.raises(TooManyValues, match="expected at most"):
            asyncio.run(native.predict("one_to_one", PredictionRequest(sequences=too_many)))


@settings(deadline=None)
@given(json_values)
@np.errstate(over="ignore")  # as in the service: a number beyond float32 becomes infinite
def test_any_json_is_either_rows_of_steps_or_explained(document: Any) -> None:
    body = json.dumps({"sequences": document}).encode()
    try:
        rows = rows_of(parse(body, TWO).sequences, TWO)
    except InvalidRequest:
        return
    found = [row if not row or isinstance(row[0], list) else [[item] for item in row] for row in document]
    assert rows.lengths == [*map(len, found)]
    assert np.array_equal(rows.values.ravel(), np.array([x for row in found for step in row for x in step], np.float32))
