"""A service with keys: the page asks for one before it asks the service anything, and keeps it in memory only."""

import httpx2
from playwright.sync_api import expect

from tests.page.conftest import Keyed, Opener

STORED = "() => [localStorage.length, sessionStorage.length, document.cookie]"


def test_nothing_is_asked_without_a_key_and_a_right_key_opens_the_page(visit: Opener, keyed: Keyed) -> None:
    seen = visit(origin=keyed.url)
    seen.open()
    key = seen.page.get_by_label("Key", exact=True)
    expect(key).to_be_focused()
    assert all("/page/" in asked or asked == f"{keyed.url}/?model=" for asked in seen.requests)
    seen.accessible()
    seen.picture("asked")
    key.fill(keyed.predict)
    key.press("Enter")
    seen.answered()
    expect(seen.page.get_by_role("heading", name="This service needs a key")).to_be_hidden()
    expect(seen.page.get_by_role("heading", name="What is served")).to_be_focused()
    with seen.question():
        seen.page.get_by_label("step 1, value").fill("0.25")
    assert seen.page.evaluate(STORED) == [0, 0, ""]
    assert keyed.predict not in seen.page.content()
    assert keyed.predict not in "".join(seen.requests)
    command = seen.page.locator("#curl").inner_text()
    assert '-H "authorization: Bearer $UNROLL_KEY"' in command
    answer = seen.run(f"UNROLL_KEY={keyed.predict}; {command}")
    assert [float(row[2]) for row in seen.numbers()] == answer["sequences"][0]
    seen.page.reload()
    expect(seen.page.get_by_label("Key", exact=True)).to_have_value("")


def test_a_wrong_key_and_one_without_the_scope_are_told(visit: Opener, keyed: Keyed) -> None:
    seen = visit("phone", "dark", origin=keyed.url)
    seen.open()
    for wrong, why in (("unroll_wrong", "received an unknown one"), (keyed.metrics, "a key with the scope predict")):
        seen.page.get_by_label("Key", exact=True).fill(wrong)
        seen.page.get_by_role("button", name="Use this key").click()
        expect(seen.page.get_by_role("alert")).to_contain_text(why)
        seen.refused += 1
    seen.no_sideways_scroll()
    seen.accessible()
    seen.picture("wrong")
    seen.page.get_by_label("Key", exact=True).fill(keyed.predict)
    seen.page.get_by_role("button", name="Use this key").click()
    seen.answered()


def test_the_files_need_no_key_and_the_models_do(keyed: Keyed) -> None:
    with httpx2.Client(base_url=keyed.url, timeout=30) as client:
        assert [client.get(path).status_code for path in ("/", "/page/main.js", "/page/page.css", "/models")] == [
            200,
            200,
            200,
            401,
        ]
