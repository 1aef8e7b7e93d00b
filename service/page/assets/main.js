/** Starts the page: asks what is served, and keeps input, answer and pictures in step. */

import { Answer } from "./answer.js";
import { ask, hasKey, Problem, useKey } from "./api.js";
import { curlText, cut } from "./curl.js";
import { byId, element, say } from "./dom.js";
import { Editor, plain } from "./editor.js";
import { examplesOf } from "./examples.js";
import { showFacts } from "./facts.js";
import { showLessons } from "./lessons.js";
import { showModels } from "./models.js";
import { listed, readable } from "./numbers.js";
import { showPictures, showSections, showWarnings } from "./pictures.js";

const PAUSE = 250; // ms after the last change until the model is asked

/** All that is on the screen. `example`: the one that the rows are, unchanged; null after a change. `fault`: why the text cannot be read. */
const state = { models: [], limits: null, card: null, turn: 0, rows: [], row: 0, fault: "", example: null, answer: null, command: "" };
let waiting = null; // the timer of the next question
let running = null; // ends the question that runs

const editor = new Editor(byId("editor"), {
  changed(rows, row) {
    state.example = null;
    markExample();
    take(rows, row);
    later();
  },
  wrong(message) {
    stop();
    state.fault = message;
    refuse(message);
  },
});

// What is served.

async function start() {
  showLessons();
  wire();
  if (document.documentElement.dataset.keys === "yes" && !hasKey()) askForKey("");
  else await look();
}

/** Ask what is served and show it. Whether it could be asked. */
async function look() {
  try {
    const { answer } = await ask("models");
    Object.assign(state, { models: answer.models, limits: answer.limits });
  } catch (error) {
    failed(error);
    return false;
  }
  byId("key-section").hidden = true;
  byId("models-section").hidden = false;
  const names = state.models.filter((model) => model.default).map((model) => model.name);
  byId("served-note").textContent = names.length
    ? `${names.length} model${names.length > 1 ? "s" : ""} in memory. Choose one to try it.`
    : "No model is served. Train one: make train. This page shows it after Look again.";
  const wanted = new URLSearchParams(location.search).get("model");
  const chosen = [state.card?.name, wanted, preferred(names)].find((name) => names.includes(name));
  showModels(byId("models"), state.models, chosen, choose);
  if (chosen) await choose(chosen);
  return true;
}

const preferred = (names) => (names.includes("many_to_many") ? "many_to_many" : names[0]);

/** Show a model. What was typed stays if the model was shown before. */
async function choose(name) {
  stop();
  const turn = ++state.turn;
  let card, trials;
  try {
    [card, trials] = (await Promise.all([ask(`models/${name}`), ask(`models/${name}/comparison`)])).map((each) => each.answer);
  } catch (error) {
    if (turn === state.turn) failed(error);
    return;
  }
  if (turn !== state.turn) return; // another was chosen meanwhile
  const again = state.card?.name === name && state.rows.length > 0;
  state.card = card;
  history.replaceState(null, "", `?model=${name}`);
  document.title = `${name} · unroll`;
  for (const part of ["workspace", "facts-section"]) byId(part).hidden = false;
  for (const part of ["model-name", "facts-name"]) byId(part).textContent = name;
  byId("input-note").textContent = expected(card);
  showVersions(card, again ? byId("version").value : "");
  showFacts(byId("facts"), card, trials.trials, state.limits);
  const examples = examplesOf(card);
  byId("examples").replaceChildren(element("span", { class: "note" }, "Examples"), ...examples.map((example) =>
    element("button", { type: "button", class: "quiet", value: example.name, click: () => begin(example) }, example.name)));
  markExample();
  if (again) await question();
  else await begin(examples[0]);
}

function expected(card) {
  const length = card.any_length ? "of any length" : `of ${card.length} steps`;
  const step = card.features.length === 1 ? "A step is one number" : `A step is ${card.features.length} numbers (${listed(card.features.map((feature) => feature.name))})`;
  const domain = card.features.length === 1 ? `, from ${readable(card.features[0].domain.low)} to below ${readable(card.features[0].domain.high)}` : "";
  return `Rows ${length}. ${step}${domain}.`;
}

function showVersions(card, chosen) {
  const aliases = card.versions.flatMap((version) => version.aliases.map((alias) => [alias, `${alias} (${version.version})`]));
  const all = [["", "as usual"], ...aliases, ...card.versions.map(({ version }) => [version, version])];
  byId("version").replaceChildren(...all.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
}

// The rows.

function begin(example) {
  state.example = example;
  markExample();
  const rows = example.rows.map((row) => row.map((step) => [...step]));
  take(rows, 0);
  editor.show(rows, state.row, state.card.features);
  return question();
}

/** Show which example the rows are. */
function markExample() {
  for (const button of byId("examples").querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === state.example?.name);
}

/** The rows are these from now on. */
function take(rows, row) {
  Object.assign(state, { rows, row, fault: "", answer: null });
  say(byId("input-error"), "");
  showRows();
  showWarnings(state);
  curl();
}

function showRows() {
  const { rows, row } = state;
  const choice = rows.slice(0, 12).map((_, number) => element("button", { type: "button", class: "quiet", "aria-pressed": number === row, click: () => turnTo(number) }, `Row ${number + 1}`));
  const more = rows.length > 12 ? [element("span", { class: "note" }, `and ${rows.length - 12} more, which are asked too`)] : [];
  byId("rows").hidden = rows.length < 2;
  byId("rows").replaceChildren(...choice, ...more);
}

function turnTo(number) {
  state.row = number;
  editor.show(state.rows, number, state.card.features);
  showRows();
  byId("rows").children[number].focus();
  showWarnings(state);
  showPictures(state);
}

// Question and answer.

function body() {
  const asked = { sequences: plain(state.rows) };
  if (byId("version").value) asked.model_version = byId("version").value;
  if (byId("strict").checked) asked.strict = true;
  return JSON.stringify(asked);
}

function curl() {
  byId("copied").textContent = "";
  state.command = curlText(state.card.name, body(), hasKey());
  byId("curl").textContent = cut(state.command);
}

function stop() {
  clearTimeout(waiting);
  running?.abort();
}

function later() {
  stop();
  waiting = setTimeout(question, PAUSE);
}

async function question() {
  stop();
  if (state.fault) {
    refuse(state.fault);
    return;
  }
  const empty = state.rows.map((row) => row.findIndex((step) => !step.every(Number.isFinite)));
  const place = empty.findIndex((step) => step >= 0);
  if (place >= 0) {
    refuse(`Expected a number at row ${place + 1}, step ${empty[place] + 1}; the field is empty.`);
    return;
  }
  running = new AbortController();
  const { card, rows } = state;
  byId("answer").setAttribute("aria-busy", "true");
  try {
    const { answer, milliseconds } = await ask(`models/${card.name}/predict`, body(), running.signal);
    state.answer = new Answer(card, rows, answer, milliseconds);
    say(byId("input-error"), "");
    showPictures(state);
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(error);
  }
  byId("answer").removeAttribute("aria-busy");
}

/** There is no answer: say why beside the input. `asked`: whether the service was, and refused. */
function refuse(message, asked = false) {
  stop();
  state.answer = null;
  byId("answer").removeAttribute("aria-busy");
  say(byId("input-error"), message);
  byId("answer-said").textContent = "No answer. The message beside the input says why.";
  byId("answer").replaceChildren();
  showSections(false, asked);
}

function failed(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.needsKey) askForKey(error.message);
  else if (byId("workspace").hidden) {
    byId("models-section").hidden = false;
    byId("served-note").textContent = error.message;
  } else refuse(error.message, true);
}

// The key, and what else is pressed.

function askForKey(message) {
  stop();
  byId("key-section").hidden = false;
  for (const part of ["models-section", "workspace", "facts-section"]) byId(part).hidden = true;
  say(byId("key-error"), message);
  byId("key").focus();
}

function wire() {
  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    useKey(byId("key").value.trim());
    if (await look()) {
      byId("key").value = "";
      byId("models-heading").focus();
    }
  });
  byId("reload").addEventListener("click", look);
  byId("ask").addEventListener("click", question);
  for (const part of ["version", "strict"]) byId(part).addEventListener("change", () => {
    curl();
    question();
  });
  byId("copy").addEventListener("click", copy);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(state.command);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("curl"));
    byId("copied").textContent = "This browser lets no page copy here. The command is selected: copy it with the keyboard.";
  }
}

await start();
