/** Shows the arrays on their way: what is sent, what the model sees, what it returns, what is answered. */

import { element } from "./dom.js";
import { arrayText, shapeOf, shapeText } from "./numbers.js";
import { fromAnswers, layersOf, toModel } from "./topologies.js";

/** `rows`: steps of F numbers; `answers`: an Answer, or null without one. */
export function showReshape(place, card, rows, answers) {
  const input = toModel(card.topology, rows);
  const shape = shapeOf(input);
  const parts = [part("You send", sentText(rows), sentShape(rows)), arrow(HOW[card.topology]), part("The model sees", arrayText(input), shapeText(shape))];
  parts.push(arrow(null, trail(layersOf(card, shape))));
  if (answers) {
    const output = fromAnswers(card.topology, answers.numbers);
    parts.push(part("The model returns", arrayText(output), shapeText(shapeOf(output))));
    parts.push(arrow(BACK[card.topology]), part("You get", labelText(answers) + sentText(answers.numbers), sentShape(answers.numbers)));
  }
  place.replaceChildren(element("ol", { class: "flow" }, parts));
  if (card.topology !== "one_to_one" && new Set(rows.map((row) => row.length)).size > 1) {
    place.append(element("p", { class: "note" }, "Shorter rows are filled with zeros on the right. Each row carries its length into the model, so the zeros change no answer."));
  }
}

const MOST_LABELS = 12;

const HOW = {
  one_to_one: "each item becomes a sample of one step: (items, 1, F)",
  many_to_one: "rows, steps, features: (rows, time, F)",
  many_to_many: "rows, steps, features: (rows, time, F)",
};
const BACK = {
  one_to_one: "cut into rows again",
  many_to_one: "one answer a row; the time axis is gone",
  many_to_many: "one answer a step; what was filled up is cut off",
};

function part(name, text, shape) {
  const label = `${name}, shape ${shape}`;
  return element(
    "li",
    {},
    element("p", { class: "caption" }, element("span", {}, name), element("code", {}, shape)),
    element("pre", { class: "array", tabindex: 0, role: "region", "aria-label": label }, text),
  );
}

const arrow = (text, inner = null) => element("li", { class: "arrow" }, element("span", { "aria-hidden": "true" }, "↓ "), inner ?? text);

function trail(layers) {
  return element("span", {}, layers.map((layer, number) => [number ? " → " : "", element("code", {}, layer.name), ` ${layer.shape}`]).flat());
}

/** Rows as they are written in a request: a step of one number is the number. */
function sentText(rows) {
  return arrayText(rows.map((row) => (Array.isArray(row[0]) && row[0].length === 1 ? row.map(([item]) => item) : row)));
}

/** The labels, which stand for the largest probabilities. */
function labelText({ labels }) {
  if (!labels) return "";
  const short = (list) => (list.length > MOST_LABELS ? [...list.slice(0, MOST_LABELS), "..."] : list);
  const shown = short(labels).map((label) => (Array.isArray(label) ? `[${short(label).join(", ")}]` : label));
  return `labels: ${shown.join(", ")}\nprobabilities:\n`;
}

function sentShape(rows) {
  const lengths = [...new Set(rows.map((row) => row.length))];
  if (lengths.length > 1) return `${rows.length} rows of ${Math.min(...lengths)} to ${Math.max(...lengths)} steps`;
  const width = Array.isArray(rows[0][0]) && rows[0][0].length > 1 ? [rows[0][0].length] : [];
  return shapeText([rows.length, lengths[0], ...width]);
}
