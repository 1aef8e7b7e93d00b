"""The page on a phone and a wide screen, light and dark, in each of its states: nothing overflows, axe finds nothing."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import WIDTHS, Opener, Visit

Change = Callable[[Visit], None]


def pasted(seen: Visit) -> None:
    seen.page.get_by_role("tab", name="Paste").click()
    seen.page.get_by_label("Rows as text").fill("0.1 zwei")
    expect(seen.page.locator("#input-error")).to_be_visible()


def drawn(seen: Visit) -> None:
    seen.page.get_by_role("tab", name="Draw").click()
    expect(seen.page.get_by_role("slider")).to_be_visible()


def uploading(seen: Visit) -> None:
    seen.page.get_by_role("tab", name="Upload").click()


def outside(seen: Visit) -> None:
    with seen.question():
        seen.page.get_by_role("button", name="Out of the domain").click()
    expect(seen.page.locator("#domain-note")).to_be_visible()


def opened(seen: Visit) -> None:
    for summary in seen.page.locator("summary").all():
        summary.click()


def unequal(seen: Visit) -> None:
    with seen.question():
        seen.page.get_by_role("button", name="Two rows, unequal").click()


def wave(seen: Visit) -> None:
    with seen.question():
        seen.page.get_by_role("button", name="Wave of 40 steps").click()


State = tuple[str, str, Change]
STATES: Final[tuple[State, ...]] = (
    ("many_to_one_5", "details", opened),
    ("many_to_many", "unequal", unequal),
    ("many_to_many", "wave", wave),
    ("one_to_one", "drawing", drawn),
    ("walks", "details", opened),
    ("walks", "outside", outside),
    ("walks", "drawing", drawn),
    ("sales", "details", opened),
    ("sales", "wrong", pasted),
    ("sides", "upload", uploading),
    ("next", "details", opened),
    ("level", "details", opened),
    ("each", "details", opened),
    ("windows", "details", opened),
)


FEW: Final = STATES[:1] + STATES[4:6] + STATES[8:9]  # colours and widths do not depend on each other


@pytest.mark.parametrize(
    ("width", "scheme", "states"),
    [("phone", "light", STATES), ("phone", "dark", FEW), ("wide", "light", FEW), ("wide", "dark", STATES)],
)
def test_each_state_fits_and_is_accessible(
    visit: Opener, width: str, scheme: Literal["light", "dark"], states: Sequence[State]
) -> None:
    seen = visit(width, scheme, model="many_to_many")
    seen.no_sideways_scroll()
    seen.accessible()
    seen.picture("many_to_many")
    for model, name, change in states:
        seen.open(model)
        change(seen)
        seen.no_sideways_scroll()
        seen.accessible()
        seen.picture(f"{model}-{name}")


def test_the_page_follows_when_the_scheme_changes(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    chart = "document.querySelector('#answer canvas').toDataURL()"
    drawn = seen.page.evaluate(chart)
    seen.page.emulate_media(color_scheme="dark")
    expect(seen.page.locator("body")).not_to_have_css("background-color", ground)
    seen.page.wait_for_function(f"drawn => {chart} != drawn", arg=drawn)


def test_a_chart_takes_the_width_of_its_place(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    seen.page.set_viewport_size({"width": WIDTHS["phone"], "height": 900})
    expect(seen.page.locator("#answer .u-wrap").first).to_have_js_property("offsetWidth", width_of(seen.page))
    seen.no_sideways_scroll()


def width_of(page: Page) -> int:
    width: int = page.locator("#answer .chart").first.evaluate("chart => chart.clientWidth")
    return width


def test_nothing_moves_where_less_motion_is_wished(visit: Opener) -> None:
    seen = visit(model="many_to_many", reduced_motion="reduce")
    assert seen.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    moving = "[...document.querySelectorAll('*')].filter(each => parseFloat(getComputedStyle(each).transitionDuration)).length"
    assert seen.page.evaluate(moving) == 0


def test_the_policy_is_served_with_the_page_and_holds(visit: Opener, client: httpx2.Client) -> None:
    for path in ("/", "/page/main.js", "/page/page.css"):
        policy = client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe-" not in policy
    seen = visit(model="many_to_many")
    assert seen.page.evaluate("try { document.body.innerHTML = '<b>x</b>'; 'set' } catch (error) { error.name }") == "TypeError"
    seen.said = [said for said in seen.said if "TrustedHTML" not in said]  # what the browser says of just that


def test_the_lesson_explains_time_distributed_on_one_screen(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    lesson = seen.page.get_by_role("region", name="When to use TimeDistributed")
    expect(lesson.get_by_role("img")).to_have_count(3)
    for text in ("146 parameters", "170 parameters", "return_sequences=True", "5 · 5 + 5 = 30 weights"):
        expect(lesson).to_contain_text(text)
    box = lesson.bounding_box()
    assert box is not None
    assert box["height"] <= 900
