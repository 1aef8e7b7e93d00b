"""The page shows what the service answers: for every task the numbers of a direct request."""

import json
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.page.conftest import Opener, Visit


def direct(client: httpx2.Client, model: str, asked: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/models/{model}/predict", json=asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def sent(seen: Visit) -> dict[str, Any]:
    """What the page asked last, as its curl says it."""
    text = seen.page.locator("#curl").inner_text()
    body: dict[str, Any] = json.loads(text.partition("-d '")[2].removesuffix("'"))
    return body


@pytest.mark.parametrize("model", ["one_to_one", "many_to_one_5", "many_to_many"])
def test_an_echo_shows_each_output_with_its_error(visit: Opener, client: httpx2.Client, model: str) -> None:
    seen = visit(model=model)
    inputs = [0, 0.2, 0.4, 0.6, 0.8]
    assert sent(seen) == {"sequences": [inputs]}
    (outputs,) = direct(client, model, sent(seen))["sequences"]
    seen.page.get_by_text("Numbers", exact=True).click()
    cells = seen.cells()
    assert [float(cell[1]) for cell in cells] == inputs
    assert [float(cell[2]) for cell in cells] == outputs
    assert [float(cell[3]) for cell in cells] == pytest.approx(
        [abs(a - b) for a, b in zip(inputs, outputs, strict=True)], rel=1e-3
    )
    expect(seen.page.locator("#answer-said")).to_contain_text("echoed 5 steps, largest error 0.0")
