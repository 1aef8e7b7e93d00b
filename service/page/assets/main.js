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
import { showNetwork } from "./network.js";
import { readable, shapeOf } from "./numbers.js";
import { showReshape } from "./reshape.js";
import { showAnswer, spoken } from "./results.js";
import { toModel } from "./topologies.js";

const PAUSE = 250; // ms after the last change until the model is asked
const MOST_WARNINGS = 5;

/** All that is on the screen. `example`: the one that the rows are, unchanged; null after a change. */
const state = { models: [], limits: null, card: null, turn: 0, rows: [], row: 0, example: null, answer: null, command: "" };
let waiting = null; // the timer of the next question
let running = null; // ends the question that runs

const editor = new Editor(byId("editor"), {
  changed(rows) {
    state.example = null;
    markExample();
    take(rows);
    later();
  },
  wrong: refuse,
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
    failed(error);
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
  showVersions(card);
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
  const step = card.features.length === 1 ? "A step is one number" : `A step is ${card.features.length} numbers (${card.features.map((feature) => feature.name).join(", ")})`;
  const domain = card.features.length === 1 ? `, from ${readable(card.features[0].domain.low)} to below ${readable(card.features[0].domain.high)}` : "";
  return `Rows ${length}. ${step}${domain}.`;
}

function showVersions(card) {
  const aliases = card.versions.flatMap((version) => version.aliases.map((alias) => [alias, `${alias} (${version.version})`]));
  const all = [["", "as usual"], ...aliases, ...card.versions.map(({ version }) => [version, version])];
  byId("version").replaceChildren(...all.map(([value, text]) => element("option", { value }, text)));
}

// The rows.

function begin(example) {
  state.example = example;
  markExample();
  const rows = example.rows.map((row) => row.map((step) => [...step]));
  take(rows);
  editor.show(rows, state.row, state.card.features);
  return question();
}

/** Show which example the rows are. */
function markExample() {
  for (const button of byId("examples").querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === state.example?.name);
}

/** The rows are these from now on. */
function take(rows) {
  state.rows = rows;
  state.row = Math.min(state.row, rows.length - 1);
  state.answer = null;
  say(byId("input-error"), "");
  showRows();
  warn();
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
  warn();
  pictures();
}

/** Mark what lies out of the domain in the row on the screen. */
function warn() {
  const found = state.rows[state.row].flatMap((step, place) => step.flatMap((item, feature) => {
    const { name, domain } = state.card.features[feature];
    if (!Number.isFinite(item) || (item >= domain.low && item < domain.high)) return [];
    return [`Step ${place + 1}: ${name} ${readable(item)} is out of the domain, ${readable(domain.low)} to below ${readable(domain.high)}.`];
  }));
  const more = found.length > MOST_WARNINGS ? [`And ${found.length - MOST_WARNINGS} more.`] : [];
  byId("domain-note").hidden = !found.length;
  byId("domain-note").replaceChildren(...[...found.slice(0, MOST_WARNINGS), ...more].map((text) => element("li", {}, text)));
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
    pictures();
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(error);
  }
  byId("answer").removeAttribute("aria-busy");
}

/** Everything that shows the answer. */
function pictures() {
  const { answer, card, rows, row } = state;
  if (!answer) return;
  const outside = answer.inDomain[row] ? "" : " Out of the domain: trust it less.";
  byId("answer-said").textContent = spoken(answer, row) + outside;
  const facts = [["Version", answer.version], ["In the domain", answer.inDomain[row] ? "yes" : "no"], ["Latency", `${answer.milliseconds.toFixed(1)} ms in this browser`]];
  const list = element("dl", { class: "said-facts" }, facts.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
  const place = element("div", {});
  byId("answer").replaceChildren(place, ...proof(), list);
  showSections(true, true);
  showAnswer(place, answer, row);
  showReshape(byId("reshape"), card, rows, answer);
  showNetwork(byId("network"), card, rows[row], answer.texts(row), shapeOf(toModel(card.topology, rows)));
}

/** Of an example with a known answer: how far the answer is from it. */
function proof() {
  const { answer, example } = state;
  if (!example?.output || answer.version !== state.card.version) return [];
  const given = answer.numbers[0].flat();
  const largest = example.output.flat().reduce((most, item, place) => Math.max(most, Math.abs(item - given[place])), 0);
  const same = largest <= state.card.golden_tolerance;
  const said = `${same ? "✓ The same as" : "Differs from"} the answer before publishing: largest difference ${readable(largest)}.`;
  return [element("p", { class: same ? "proof" : "problem" }, said)];
}

/** The pictures of an answer; `asked`: whether there is a request to show. */
function showSections(answered, asked) {
  for (const part of ["reshape-section", "network-section"]) byId(part).hidden = !answered;
  byId("curl-section").hidden = !asked;
}

/** There is no answer: say why beside the input. `asked`: whether the service was, and refused. */
function refuse(message, asked = false) {
  stop();
  state.answer = null;
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
