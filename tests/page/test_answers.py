"""The page shows what the service answers: for every task the numbers of a direct request."""

from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.page.conftest import Opener, Visit


def direct(client: httpx2.Client, model: str, seen: Visit) -> dict[str, Any]:
    """The answer to what the page's curl asks, got without the page."""
    answer = client.post(f"/models/{model}/predict", json=seen.asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def floats(cells: list[list[str]], first: int = 1) -> list[list[float]]:
    return [[float(cell) for cell in row[first:]] for row in cells]


@pytest.mark.parametrize("model", ["one_to_one", "many_to_one_5", "many_to_many"])
def test_an_echo_shows_each_output_with_its_error(visit: Opener, client: httpx2.Client, model: str) -> None:
    seen = visit(model=model)
    inputs = [0, 0.2, 0.4, 0.6, 0.8]
    assert seen.asked == {"sequences": [inputs]}
    (outputs,) = direct(client, model, seen)["sequences"]
    cells = floats(seen.numbers())
    assert [(given, told) for given, told, _ in cells] == list(zip(inputs, outputs, strict=True))
    off = [abs(one - other) for one, other in zip(inputs, outputs, strict=True)]
    assert [error for _, _, error in cells] == pytest.approx(off, rel=1e-3, abs=1e-7)
    expect(seen.page.locator("#answer-said")).to_contain_text("echoed 5 steps, largest error 0.0")
    expect(seen.page.get_by_role("img", name="Input and output of value over 5 steps.")).to_be_visible()
    expect(seen.page.get_by_role("img", name="Error of each step, at most 0.0")).to_be_visible()


def test_a_class_is_the_longest_bar(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="walks")
    answer = direct(client, "walks", seen)
    (probabilities,), (label,) = answer["probabilities"], answer["labels"]
    bars = seen.page.locator("#answer .bars li")
    assert bars.locator(".name").all_text_contents()[0] == label
    widths = [bar.evaluate("bar => Number(bar.style.getPropertyValue('--share'))") for bar in bars.locator(".bar").all()]
    assert widths == sorted(probabilities, reverse=True)
    assert {row[0]: float(row[1]) for row in seen.numbers()} == dict(zip(answer["classes"], probabilities, strict=True))
    expect(seen.page.locator("#answer-said")).to_contain_text(f"{label}, probability")
    expect(seen.page.locator(".proof")).to_contain_text("The same as the answer before publishing")


def test_a_forecast_stands_after_its_history(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="sales")
    (outputs,) = direct(client, "sales", seen)["outputs"]
    assert seen.numbers() == [[f"{25 + step}", str(value)] for step, value in enumerate(outputs)]
    expect(seen.page.get_by_role("img", name="Forecast of sales: ")).to_be_visible()
    expect(seen.page.locator("#answer .legend li")).to_have_text(["history", "forecast"])


def test_each_step_has_its_label(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="sides")
    answer = direct(client, "sides", seen)
    cells = seen.numbers()
    assert [row[1] for row in cells] == answer["labels"][0]
    assert floats(cells, 3) == answer["probabilities"][0]
    runs = seen.page.locator("#answer .runs li").all_text_contents()
    assert len(runs) == 1 + sum(one != other for one, other in zip(answer["labels"][0], answer["labels"][0][1:], strict=False))


def test_a_forecast_at_every_step_has_a_chart_for_each_target(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="next")
    (steps,) = direct(client, "next", seen)["sequences"]
    assert seen.numbers() == [[f"{2 + place}", *map(str, step)] for place, step in enumerate(steps)]
    assert len(seen.page.get_by_role("img", name="Forecast of ").all()) == 2


@pytest.mark.parametrize("model", ["level", "each"])
def test_regressions_of_each_step_are_numbers(visit: Opener, client: httpx2.Client, model: str) -> None:
    seen = visit(model=model)
    seen.page.get_by_label("Version", exact=True).select_option("production")
    version = client.get(f"/models/{model}").json()["version"]
    expect(seen.page.locator("#curl")).to_contain_text('"model_version":"production"')
    seen.page.get_by_label("Version", exact=True).select_option(version)  # no canary draws it
    expect(seen.page.locator("#answer dd").first).to_have_text(version)
    (steps,) = direct(client, model, seen)["sequences"]
    assert floats(seen.numbers()) == [[step] for step in steps]


def test_rows_of_a_fixed_length_with_several_features(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="windows")
    answer = direct(client, "windows", seen)
    assert [[row[1]] for row in seen.numbers()] == [[str(value)] for value in answer["outputs"][0]]
    assert len(seen.asked["sequences"][0]) == 7
    assert {len(step) for step in seen.asked["sequences"][0]} == {2}


@pytest.mark.parametrize("model", ["one_to_one", "many_to_one_5", "many_to_many", "walks", "sides", "sales"])
def test_the_arrays_and_the_parameters_are_those_of_the_model(visit: Opener, client: httpx2.Client, model: str) -> None:
    seen = visit(model=model)
    answer, card = direct(client, model, seen), client.get(f"/models/{model}").json()
    shapes = dict(
        zip(*(seen.page.locator(f"#reshape .caption {part}").all_text_contents() for part in ("span", "code")), strict=True)
    )

    def text(shape: list[int]) -> str:
        return f"({', '.join(map(str, shape))})"

    assert shapes["The model sees"] == text(answer["model_input_shape"])
    assert shapes["The model returns"] == text(answer["model_output_shape"])
    rows = [row.locator("th, td").all_text_contents() for row in seen.page.locator("#network tbody tr").all()]
    assert int(rows[-1][2]) == sum(int(row[2]) for row in rows[:-1]) == card["parameters"]
    assert rows[0][1] == f"4 · (({len(card['features'])} + 1) · {card['units']} + {card['units']}²)"
    assert seen.page.locator("#network svg").get_attribute("aria-label") == (
        f"The network unrolled: {card['topology']}, {len(answer_rows(seen))} steps, 1 LSTM layer of {card['units']} units"
    )


def answer_rows(seen: Visit) -> list[Any]:
    rows: list[Any] = seen.asked["sequences"][0]
    return rows


def test_rows_of_unequal_lengths_are_filled_up(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="many_to_many")
    with seen.question():
        seen.page.get_by_role("button", name="Two rows, unequal").click()
    expect(seen.page.locator("#reshape")).to_contain_text("Shorter rows are filled with zeros on the right.")
    sees = seen.page.get_by_role("region", name="The model sees, shape (2, 5, 1)").inner_text()
    assert sees.replace(" ", "").endswith("[[0.5],[0.1],[0],[0],[0]]]")
    answer = direct(client, "many_to_many", seen)
    first, second = (seen.page.get_by_role("button", name=name) for name in ("Row 1", "Row 2"))
    expect(first).to_have_attribute("aria-pressed", "true")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    assert [float(row[2]) for row in seen.numbers()] == answer["sequences"][1]


def test_the_page_shows_what_models_say_of_themselves(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="walks")
    listed = client.get("/models").json()
    names = sorted({model["name"] for model in listed["models"]})
    assert seen.page.locator("#models .title").all_text_contents() == names
    for model in listed["models"]:
        if (score := client.get(f"/models/{model['name']}").json()["score"]) is not None:
            hardest = min(score["baselines"], key=lambda name: abs(score["baselines"][name] - score["value"]))
            expect(seen.page.locator("#models label", has_text=model["name"]).first).to_contain_text(f"; {hardest} ")
    card = client.get("/models/walks").json()
    facts = seen.page.locator("#facts")
    for text in (
        "walks.csv",
        "162 rows to train",
        "balanced accuracy, higher is better",
        "majority (to beat)",
        card["version"],
        "answers, production",
    ):
        expect(facts).to_contain_text(text)
    seen.page.locator("summary", has_text="Limits").click()
    expect(facts).to_contain_text(str(listed["limits"]["max_body_bytes"]))
    seen.page.locator("summary", has_text="All figures of the gate").click()
    rows = facts.get_by_role("region", name="All figures of the gate").locator("tbody tr")
    expect(rows).to_have_count(len(card["figures"]))


def test_a_canary_is_told_and_its_version_can_be_asked(visit: Opener, client: httpx2.Client) -> None:
    seen = visit(model="each")
    (trial,) = client.get("/models/each/comparison").json()["trials"]
    expect(seen.page.locator(".trial")).to_contain_text(
        f"Canary. {trial['candidate']} answers 50 % of the requests for production"
    )
    with seen.question():
        seen.page.get_by_label("Version", exact=True).select_option("candidate")
    expect(seen.page.locator("#answer dd").first).to_have_text(trial["candidate"])
