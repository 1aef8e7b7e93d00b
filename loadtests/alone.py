"""Asks for each drawn row alone, before the load. Later answers to the row in any company must be equal to the last bit."""

import http.client
from collections.abc import Iterable

import numpy as np

from loadtests.answers import Wrong, read
from loadtests.client import ask
from loadtests.models import Model
from loadtests.payloads import Payload, body, drawn_rows, row_text
from loadtests.processes import NotServing


class WrongAloneError(Exception):
    """An answer is wrong before any load. The message is one line."""


def with_answers(url: str, models: Iterable[Model], seed: int) -> list[Model]:
    """The models, each with its answers to `drawn_rows(model, seed)` asked one by one. An echo needs none.

    Raises NotServing where a row is not answered, and WrongAloneError where the answer is wrong.
    """
    return [model if model.echo else model.model_copy(update={"alone": _alone(url, model, seed)}) for model in models]


def _alone(url: str, model: Model, seed: int) -> list[list[list[float]]]:
    answers = []
    for number, row in enumerate(drawn_rows(model, seed)):
        # naming the version keeps a canary or a swap out of these answers
        text = body([row_text(row)], model.version)
        shape = (len(row) if model.per_step else 1, model.outputs)
        # `read` needs the expected shape, and no values
        payload = Payload(model, "one row", text, [len(row)], "the answer to the row alone", np.empty(shape), np.zeros(1))
        answer = read(_asked(url, payload), payload)
        if not isinstance(answer, Wrong) and answer.version != model.version:
            answer = Wrong("another version", f"expected {model.version}, got {answer.version}")
        if isinstance(answer, Wrong):
            raise WrongAloneError(f"{model.name}, drawn row {number} alone: wrong answer: {answer.reason}: {answer.detail}")
        answers.append(answer.values.tolist())
    return answers


def _asked(url: str, payload: Payload) -> bytes:
    path = payload.model.path
    try:
        status, content = ask(f"{url}{path}", "POST", payload.body.encode())
    except (OSError, http.client.HTTPException) as error:
        raise NotServing(f"{url}{path} does not answer: {error}") from error
    if status != 200:
        raise NotServing(f"{url}{path} answers {status} to one row alone: {content[:400].decode(errors='replace')}")
    return content
