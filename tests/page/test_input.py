"""A row is typed, pasted, drawn or uploaded; what is wrong with it stands beside it."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Opener

NUMPY = "array([[0.  , 0.2, .4],\n       [1.e-1, 0.5, 0.6]], dtype=float32)"


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_a_typed_number_is_asked_and_marked_where_it_is_out_of_the_domain(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    ramp = seen.page.get_by_role("button", name="Ramp")
    expect(ramp).to_have_attribute("aria-pressed", "true")
    with seen.question():
        seen.page.get_by_label("step 3, value").fill("1.5")
    expect(ramp).to_have_attribute("aria-pressed", "false")
    assert seen.asked == {"sequences": [[0, 0.2, 1.5, 0.6, 0.8]]}
    expect(seen.page.locator("#domain-note")).to_have_text("Step 3: value 1.5 is out of the domain, 0 to below 1.")
    expect(seen.page.get_by_label("step 3, value")).to_have_class("out")
    expect(seen.page.locator("#answer-said")).to_contain_text("Out of the domain: trust it less.")
    expect(seen.page.locator("#answer dd").nth(1)).to_have_text("no")
    with seen.question(refused=True) as problem:
        seen.page.get_by_label("Refuse rows out of the domain").check()
    assert problem["type"] == "urn:unroll:error:out-of-domain"
    expect(seen.page.locator("#input-error")).to_have_text(problem["detail"])
    with seen.question():
        seen.page.get_by_label("step 3, value").fill("0.4")
    expect(seen.page.locator("#input-error")).to_be_hidden()
    expect(seen.page.locator("#domain-note")).to_be_hidden()


def test_an_empty_field_is_not_asked(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    seen.page.get_by_label("step 2, value").fill("")
    expect(seen.page.locator("#input-error")).to_have_text("Expected a number at row 1, step 2; the field is empty.")
    expect(seen.page.locator("#answer-said")).to_contain_text("No answer.")
    expect(seen.page.locator("#curl-section")).to_be_hidden()  # there is no request that it could show


def test_a_wrong_input_ends_the_question_that_runs(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    seen.page.route("**/predict", lambda _: None)  # never answered
    seen.page.get_by_role("button", name="Ask the model").click()
    expect(seen.page.locator("#answer")).to_have_attribute("aria-busy", "true")
    seen.page.get_by_label("step 2, value").fill("")
    expect(seen.page.locator("#answer-said")).to_contain_text("No answer.")
    expect(seen.page.locator("#answer")).not_to_have_attribute("aria-busy", "true")


def test_steps_are_added_and_removed(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    with seen.question():
        seen.page.get_by_role("button", name="Add a step").click()
    assert seen.asked == {"sequences": [[0, 0.2, 0.4, 0.6, 0.8, 0.8]]}
    for _ in range(5):
        with seen.question():
            seen.page.get_by_role("button", name="Remove the last step").click()
    assert seen.asked == {"sequences": [[0]]}
    expect(seen.page.get_by_role("button", name="Remove the last step")).to_be_disabled()


def test_the_wrong_length_is_told_by_the_service_beside_the_input(visit: Opener) -> None:
    seen = visit(model="many_to_one_5")
    with seen.question(refused=True) as problem:
        seen.page.get_by_role("button", name="Add a step").click()
    expect(seen.page.locator("#input-error")).to_have_text(problem["detail"])
    assert "many_to_one" in problem["detail"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("[0.1, 0.2]", [[0.1, 0.2]]),
        ("[[0.1, 0.2], [0.3]]", [[0.1, 0.2], [0.3]]),
        ('{"sequences": [[0.5]], "strict": true}', [[0.5]]),
        ("0.1 0.2  0.3", [[0.1, 0.2, 0.3]]),
        ("0.1, 0.2\n0.3, 0.4", [[0.1, 0.2], [0.3, 0.4]]),
        ("0,1;0,2\n", [[0.1, 0.2]]),
        ("0.1\n0.2\n0.3\n", [[0.1, 0.2, 0.3]]),
        ("time,value\n1,0.1\n2,0.2\n\n3,0.3", [[0.1, 0.2], [0.3]]),
        ('[{"value": 0.1, "t": 1}, {"value": 0.2, "t": 2}]', [[0.1, 0.2]]),
        (NUMPY, [[0, 0.2, 0.4], [0.1, 0.5, 0.6]]),
        ("[0.1 0.2\n 0.3]", [[0.1, 0.2, 0.3]]),
        ("0.7", [[0.7]]),
    ],
)
def test_what_is_pasted_is_read(visit: Opener, text: str, rows: list[list[float]]) -> None:
    seen = visit(model="many_to_many")
    tab(seen.page, "Paste")
    with seen.question():
        seen.page.get_by_label("Rows as text").fill(text)
    assert seen.asked == {"sequences": rows}
    tab(seen.page, "Type")
    expect(seen.page.get_by_label("step 1, value")).to_have_value(f"{rows[0][0]:g}")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("[[0.1, 1], [0.2, 2]]", [[[0.1, 1], [0.2, 2]]]),
        ("[[[0.1, 1]], [[0.2, 2]]]", [[[0.1, 1]], [[0.2, 2]]]),
        ("0.1 1\n0.2 2", [[[0.1, 1], [0.2, 2]]]),
        ("noise,walk,x\n1,7,0.1\n2,7,0.2", [[[0.1, 1], [0.2, 2]]]),
        ("0.1\t1\n\n0.2\t2", [[[0.1, 1]], [[0.2, 2]]]),
        ("[[0.1 1. ]\n [0.2 2. ]]", [[[0.1, 1], [0.2, 2]]]),
    ],
)
def test_what_is_pasted_for_two_features_is_read(visit: Opener, text: str, rows: list[Any]) -> None:
    seen = visit(model="walks")
    tab(seen.page, "Paste")
    with seen.question():
        seen.page.get_by_label("Rows as text").fill(text)
    assert seen.asked == {"sequences": rows}


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("many_to_many", "", "Expected numbers; received nothing."),
        ("many_to_many", "0.1 zwei 0.3", 'Expected a number in line 1; received "zwei".'),
        ("many_to_many", "[0.1, 0.2", "Is a ] missing?"),
        ("many_to_many", "[[0.1], []]", "Leave empty rows out."),
        ("many_to_many", "[[[0.1, 0.2]]]", "Expected a number at row 1, step 1; received [0.1,0.2]."),
        ("many_to_many", '{"rows": [1]}', 'Expected a list, or an object {"sequences": [[...], ...]}'),
        ("many_to_many", '{"sequences": [', "Expected JSON; received text that is none"),
        ("walks", "[0.1, 0.2, 0.3]", "Expected 2 numbers (x, noise) at row 1, step 1; received [0.1,0.2,0.3]."),
        ("walks", "0.1 0.2\n0.3", "Expected 2 numbers (x, noise) in line 2; received 1."),
        ("walks", "x,y\n1,2", "Expected the columns x, noise; received x, y. Missing: noise."),
    ],
)
def test_what_cannot_be_read_is_explained(visit: Opener, model: str, text: str, message: str) -> None:
    seen = visit(model=model)
    tab(seen.page, "Paste")
    seen.page.get_by_label("Rows as text").fill(text)
    expect(seen.page.locator("#input-error")).to_contain_text(message)
    expect(seen.page.locator("#answer-said")).to_contain_text("No answer.")


def test_what_cannot_be_read_is_not_asked_and_given_up_on_another_tab(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    tab(seen.page, "Paste")
    with seen.question():
        seen.page.get_by_label("Rows as text").fill("[[0.1], [0.2]]")
    with seen.question():
        seen.page.get_by_role("button", name="Ask the model").click()
    seen.page.get_by_role("button", name="Row 2").click()
    seen.page.get_by_label("Rows as text").fill("[[0.1], [0.2")
    before = len(seen.requests)
    seen.page.get_by_role("button", name="Ask the model").click()
    expect(seen.page.locator("#input-error")).to_contain_text("Is a ] missing?")
    assert len(seen.requests) == before
    with seen.question():
        tab(seen.page, "Type")
    expect(seen.page.get_by_label("step 1, value")).to_have_value("0.2")
    expect(seen.page.locator("#answer-said")).to_contain_text("Row 2: echoed 1 step,")
    with seen.question():
        tab(seen.page, "Paste")
        seen.page.get_by_label("Rows as text").fill("[0.3]")
    expect(seen.page.locator("#rows")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("row.csv", "x,noise\n0.5,0.1\n0.25,0.2\n"),
        ("row.json", '{"sequences": [[[0.5, 0.1], [0.25, 0.2]]]}'),
        ("row.txt", "0.5 0.1\n0.25 0.2"),
    ],
)
def test_a_file_is_read(visit: Opener, name: str, content: str) -> None:
    seen = visit(model="walks")
    tab(seen.page, "Upload")
    with seen.question():
        seen.page.get_by_label("A file with rows").set_input_files(
            {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
        )
    assert seen.asked == {"sequences": [[[0.5, 0.1], [0.25, 0.2]]]}
    expect(seen.page.locator("#panel-3")).to_contain_text(f"{name}. Read as")


def test_a_file_of_many_rows_is_asked_whole_and_a_wrong_one_is_told(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    tab(seen.page, "Upload")
    rows = [[number / 1000] * 3 for number in range(900)]
    with seen.question():
        seen.page.get_by_label("A file with rows").set_input_files(
            {"name": "rows.json", "mimeType": "application/json", "buffer": json.dumps(rows).encode()}
        )
    assert seen.asked == {"sequences": rows}
    expect(seen.page.locator("#rows")).to_contain_text("and 888 more, which are asked too")
    seen.page.get_by_label("A file with rows").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n"}
    )
    expect(seen.page.locator("#input-error")).to_contain_text("Expected")


def test_a_row_of_a_hundred_thousand_steps_is_answered_and_its_curl_works(visit: Opener) -> None:
    seen = visit(model="many_to_many", permissions=["clipboard-read", "clipboard-write"])
    tab(seen.page, "Upload")
    steps = [number % 100 / 100 for number in range(100_000)]
    with seen.question():
        seen.page.get_by_label("A file with rows").set_input_files(
            {"name": "long.txt", "mimeType": "text/plain", "buffer": "\n".join(map(str, steps)).encode()}
        )
    expect(seen.page.locator("#answer-said")).to_contain_text("echoed 100000 steps")
    expect(seen.page.locator("#curl")).to_contain_text("characters more; Copy copies all")
    seen.page.get_by_role("button", name="Copy").click()
    expect(seen.page.locator("#copied")).to_have_text("Copied.")
    assert len(seen.run(seen.page.evaluate("navigator.clipboard.readText()"))["sequences"][0]) == 100_000


def test_looking_again_keeps_what_was_typed(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    with seen.question():
        seen.page.get_by_label("step 1, value").fill("0.7")
    with seen.question():
        seen.page.get_by_role("button", name="Look again").click()
    assert seen.asked == {"sequences": [[0.7, 0.2, 0.4, 0.6, 0.8]]}
    expect(seen.page.get_by_label("step 1, value")).to_have_value("0.7")


def test_a_service_that_is_gone_is_told_and_asked_again(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    seen.page.context.set_offline(True)
    seen.page.get_by_role("button", name="Ask the model").click()
    expect(seen.page.locator("#input-error")).to_contain_text("The service did not answer: is it still running")
    seen.refused += 1
    seen.page.context.set_offline(False)
    with seen.question():
        seen.page.get_by_role("button", name="Ask the model").click()
    expect(seen.page.locator("#input-error")).to_be_hidden()


def test_a_row_is_drawn_with_the_mouse(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    tab(seen.page, "Draw")
    board = seen.page.get_by_role("slider", name="Draw value")
    box = board.bounding_box()
    assert box is not None
    with seen.question():
        seen.page.mouse.move(box["x"] + 14, box["y"] + box["height"] / 2)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + box["width"] - 14, box["y"] + box["height"] / 2, steps=4)
        seen.page.mouse.up()
    (row,) = seen.asked["sequences"]
    assert row == pytest.approx([0.5] * 5, abs=0.01)


def test_a_row_is_drawn_with_the_keys_feature_by_feature(visit: Opener) -> None:
    seen = visit(model="walks")
    tab(seen.page, "Paste")
    with seen.question():
        seen.page.get_by_label("Rows as text").fill("0.5 1\n0.5 1\n0.5 1")
    tab(seen.page, "Draw")
    seen.page.get_by_label("Feature", exact=True).select_option("noise")
    board = seen.page.get_by_role("slider", name="Draw noise")
    board.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        board.press(key)
    with seen.question():
        board.press("ArrowUp")
    expect(board).to_have_attribute("aria-valuetext", "step 2 of 3: 1.05")
    assert seen.asked == {"sequences": [[[0.5, 1], [0.5, 1.05], [0.5, 1]]]}
    with seen.question():
        board.press("PageDown")
    assert seen.asked["sequences"][0][1] == [0.5, 0.55]


def test_a_long_row_is_shown_in_parts(visit: Opener) -> None:
    seen = visit(model="many_to_many")
    tab(seen.page, "Paste")
    row = [number / 200 for number in range(200)]
    with seen.question():
        seen.page.get_by_label("Rows as text").fill(json.dumps(row))
    tab(seen.page, "Type")
    expect(seen.page.get_by_label("step 48, value")).to_have_value("0.235")
    expect(seen.page.get_by_label("step 49, value")).to_have_count(0)
    seen.page.get_by_role("button", name="Later steps").click()
    with seen.question():
        seen.page.get_by_label("step 49, value").fill("0.9")
    assert seen.asked["sequences"][0][48] == 0.9


def test_the_curl_is_copied_and_gives_the_same_answer(visit: Opener, url: str) -> None:
    seen = visit(model="sales", permissions=["clipboard-read", "clipboard-write"])
    seen.page.get_by_role("button", name="Copy").click()
    expect(seen.page.locator("#copied")).to_have_text("Copied.")
    command = seen.page.evaluate("navigator.clipboard.readText()")
    assert command == seen.page.locator("#curl").inner_text()
    assert command.startswith(f"curl -s {url}/models/sales/predict")
    assert [cell[1] for cell in seen.numbers()] == [str(value) for value in seen.run(command)["outputs"][0]]
