import asyncio
import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.rows import Rows
from service.engine.engine import Engine, Predicted
from service.errors import InvalidRequest, NotJSON, TooManyValues
from service.protocols.native import Native, parse, render
from service.protocols.schemas import PredictionRequest
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
        ("{}", "expected the field sequences, and optionally model_version and routing_key; received none"),
        ('{"sequence": [[1]]}', 'received ["sequence"]. Is the name spelled right?'),
        ('{"sequences": [[1]], "x": 1}', 'received ["sequences", "x"]'),
        ('{"sequences": [[1]], "model_version": 3}', "expected text of at most 100 characters; received 3 at model_version"),
        ('{"sequences": [[1]], "routing_key": [1]}', "expected text of at most 200 characters; received [1] at routing_key"),
        ('{"sequences": 3}', "expected a list of rows; received 3 at sequences"),
        ('{"sequences": null}', "expected a list of rows; received null"),
        ('{"sequences": [0.0, 0.2]}', "the number 0.0 at sequences[0]. Put each row in a list of its own: [[0.0, 0.2]]"),
        ('{"sequences": [[0.1], [[0.0]]]}', "a list at sequences[1][0]. Items are plain numbers: [[0.0]], not [[[0.0]]]"),
        ('{"sequences": ["abc"]}', 'expected a row (a list of numbers); received "abc" at sequences[0]'),
        ('{"sequences": [[], [null]]}', "expected at least one item in each row; received none at sequences[0]"),
        ('{"sequences": [[0.1, "a"]]}', 'expected a number; received "a" at sequences[0][1]'),
        ('{"sequences": [["0.1"]]}', 'expected a number; received "0.1" at sequences[0][0]'),
        ('{"sequences": [[null]]}', "expected a number; received null at sequences[0][0]"),
        ('{"sequences": [[true]]}', "expected a number; received true at sequences[0][0]"),
        ('{"sequences": [[0.1], [NaN]]}', "expected finite numbers; received NaN at sequences[1][0]"),
        ('{"sequences": [[-Infinity]]}', "received -Infinity at sequences[0][0]"),
        ('{"sequences": [[1e400]]}', "expected finite numbers; received Infinity"),
        ('{"sequences": [[1' + 400 * "0" + "]]}", "expected finite numbers; received 1000"),
        ('{"sequences": [[1' + 5000 * "0" + "]]}", "expected finite numbers; received a number with thousands of digits"),
        ('{"' + 100_000 * "x" + '": 1}', "expected the field sequences"),
        ("[" * 100_000, "hundreds of nested lists"),
        ('{"sequences": ' + "[" * 500 + "]" * 500 + "}", "a list at sequences[0][0]"),
    ],
)
def test_a_wrong_body_is_explained(body: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body.encode())
    assert said in caught.value.detail
    assert len(caught.value.detail) < 400  # a body is never echoed whole


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(["sequences", "x"]), children, max_size=2)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_either_rows_of_numbers_or_explained(document: Any) -> None:
    try:
        rows = parse(json.dumps(document).encode()).sequences
    except InvalidRequest:
        return
    assert rows == document["sequences"]


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
    assert np.concatenate([np.float32(row) for row in answer["sequences"]]).tolist() == rows.values.tolist()


def test_calls_inside_the_process_get_the_same_answer(models: dict[str, LoadedModel]) -> None:
    """BentoML's endpoint functions call this; over HTTP the transport answers first."""

    native = Native(Engine(FakeModels(models), BARS), max_rows=2, max_items=4)
    prediction = asyncio.run(native.predict("many_to_one", PredictionRequest(sequences=[[0.1, 0.2, 0.3]])))
    assert (prediction.model, prediction.sequences) == ("many_to_one_3", [[0.1, 0.2, 0.3]])
    for too_many in ([[0.1]] * 3, [[0.1] * 5]):
        with pytest.raises(TooManyValues, match="expected at most"):
            asyncio.run(native.predict("one_to_one", PredictionRequest(sequences=too_many)))
