"""The page at /docs: shows the OpenAPI document, and sends its examples, in a real Chromium that asks no other host."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Keyed, Opener


def sent(page: Page, operation: str) -> Locator:
    """What the service answers to an operation's example."""
    block = page.locator(f"[id='operations-{operation}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    return answer


@pytest.mark.parametrize("width", ["wide", "phone"])
def test_every_prediction_s_example_is_answered(visit: Opener, url: str, width: str) -> None:
    seen = visit(width)
    seen.page.goto(f"{url}/docs")
    expect(seen.page.get_by_role("button", name="Authorize")).to_be_visible()
    for operation in ("one_to_one", "many_to_one", "many_to_many"):
        expect(sent(seen.page, f"predictions-{operation}").locator("pre").first).to_contain_text('"sequences"')
    named = sent(seen.page, "predictions-predict")  # the first model of the list
    expect(named.locator("pre").first).to_contain_text('"task"')
    seen.picture("docs")


def test_with_keys_it_asks_for_one_and_keeps_it_in_memory(visit: Opener, keyed: Keyed) -> None:
    seen = visit(origin=keyed.url)
    seen.page.goto(f"{keyed.url}/docs")
    key = seen.page.locator("#key")
    expect(key).to_be_focused()
    assert not any(asked.endswith("docs.json") for asked in seen.requests)
    seen.accessible()
    key.fill("unroll_wrong")
    seen.refused += 1
    key.press("Enter")
    expect(seen.page.get_by_role("alert")).to_contain_text("received an unknown one")
    key.fill(keyed.predict)
    key.press("Enter")
    expect(sent(seen.page, "predictions-many_to_many").locator("pre").first).to_contain_text('"sequences"')
    assert seen.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
