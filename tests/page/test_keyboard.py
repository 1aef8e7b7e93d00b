"""The whole way by keyboard alone, and the focus is always seen."""

from playwright.sync_api import expect

from tests.page.conftest import Opener

FOCUSED = """() => {
  const focused = document.activeElement;
  const shown = focused.matches("input[type=radio]") ? focused.closest("label") : focused;
  const style = getComputedStyle(shown);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [focused.tagName, focused.id || focused.textContent.slice(0, 20), outlined];
}"""


def test_every_control_is_reached_by_tab_and_shows_the_focus(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    reached = []
    for _ in range(80):
        seen.page.keyboard.press("Tab")
        tag, name, visible = seen.page.evaluate(FOCUSED)
        if tag == "BODY":
            break
        assert visible, (tag, name)
        reached.append(f"{tag} {name}")
    names = " ".join(reached)
    assert reached[0] == "A Skip to the input"
    for control in (
        "BUTTON reload",
        "BUTTON Ramp",
        "BUTTON tab-0",
        "SELECT version",
        "INPUT strict",
        "BUTTON ask",
        "BUTTON copy",
    ):
        assert control in names
    assert names.count("INPUT") == 1 + 5 + 1  # a model, five steps, strict


def test_from_the_first_tab_to_an_answer_of_another_model(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    press, page = seen.page.keyboard.press, seen.page
    while page.evaluate("document.activeElement.name") != "model":
        press("Tab")
    press("ArrowDown")
    expect(page.locator("#model-name")).to_have_text("many_to_one_5")
    press("ArrowUp")
    expect(page.locator("#model-name")).to_have_text("many_to_many")
    seen.answered()
    while page.evaluate("document.activeElement.getAttribute('aria-label')") != "step 1, value":
        press("Tab")
    with seen.question():
        press("ArrowUp")
    assert seen.asked == {"sequences": [[0.05, 0.2, 0.4, 0.6, 0.8]]}
    with seen.question():
        press("Control+a")
        page.keyboard.type("0.3")
    assert seen.asked == {"sequences": [[0.3, 0.2, 0.4, 0.6, 0.8]]}
    press("Shift+Tab")
    press("ArrowRight")
    press("ArrowRight")
    expect(page.get_by_role("tab", name="Draw")).to_be_focused()
    press("Tab")
    expect(page.get_by_role("slider", name="Draw value")).to_be_focused()
    with seen.question():
        press("ArrowUp")
    assert seen.asked == {"sequences": [[0.31, 0.2, 0.4, 0.6, 0.8]]}
    while page.evaluate("document.activeElement.id") != "ask":
        press("Tab")
    with seen.question():
        press("Enter")
    expect(page.locator("#answer-said")).to_contain_text("echoed 5 steps")
    while page.evaluate("document.activeElement.tagName") != "SUMMARY":
        press("Tab")
    press("Enter")
    expect(page.locator("#answer details table")).to_be_visible()


def test_the_link_at_the_top_leads_to_the_input(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("#input-heading")).to_be_focused()


def test_buttons_keep_the_focus_when_the_fields_change(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    add, remove = (seen.page.get_by_role("button", name=name) for name in ("Add a step", "Remove the last step"))
    add.focus()
    seen.page.keyboard.press("Enter")
    expect(add).to_be_focused()
    remove.focus()
    for _ in range(5):
        seen.page.keyboard.press("Enter")
    expect(add).to_be_focused()  # one step is left: there is nothing more to remove


def test_answers_and_messages_are_announced(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    expect(seen.page.get_by_role("status").filter(has_text="echoed 5 steps")).to_be_visible()
    seen.page.get_by_label("step 1, value").fill("")
    expect(seen.page.get_by_role("alert").filter(has_text="Expected a number at row 1, step 1")).to_be_visible()
    assert seen.page.get_by_role("heading").all_text_contents()[:3] == ["unroll", "What is served", "Try many_to_many"]
