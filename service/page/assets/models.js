/** The list of served models: one card each, of which one is chosen. */

import { element } from "./dom.js";
import { percent, readable } from "./numbers.js";

export const TASKS = {
  echo: "gives the sequence back",
  forecast: "the steps that come next",
  regress: "a number for what it sees",
  classify: "the class of a row",
  label: "the class of each step",
};

/** Shares are shown as shares; other metrics as they are. */
const SHARES = new Set(["accuracy", "balanced_accuracy", "f1"]);
export const metricText = (metric, value) => (SHARES.has(metric) ? percent(value) : readable(value));
const NAMES = { mae: "MAE", rmse: "RMSE", mape: "MAPE", mase: "MASE", r2: "R²", f1: "F1" };
export const metricName = (metric) => NAMES[metric] ?? metric.replaceAll("_", " ");

/** `models`: of GET /models; `chosen`: a name; `choose(name)`: another was chosen. */
export function showModels(place, models, chosen, choose) {
  const [legend] = place.children;
  const defaults = models.filter((model) => model.default);
  const cards = defaults.map((model) => {
    const radio = element("input", { type: "radio", name: "model", value: model.name, checked: model.name === chosen, change: () => choose(model.name) });
    const versions = models.filter((other) => other.name === model.name).length;
    return element("label", { class: "model" }, radio, element("span", { class: "title" }, model.name),
      element("span", { class: "badges" }, badge(model.task), badge(model.topology), versions > 1 ? badge(`${versions} versions`) : null),
      element("span", { class: "note" }, `${TASKS[model.task]}; ${inputText(model)}`), element("span", { class: "note" }, qualityText(model)));
  });
  place.replaceChildren(legend, ...cards);
  const card = place.querySelector(":checked")?.closest(".model");
  if (card) place.scrollTop = card.offsetTop; // without moving the page
}

const badge = (text) => element("span", { class: "badge" }, text);

function inputText(model) {
  const count = model.features.length;
  const features = count === 1 ? model.features[0].name : `${count} features`;
  return `${features}, ${model.any_length ? "any length" : `${model.length} steps`}`;
}

function qualityText({ task, score, gate }) {
  if (!score) {
    if (task !== "echo") return "";
    const errors = Object.entries(gate).filter(([name]) => name.startsWith("error, held-out")).map(([, value]) => value);
    return errors.length ? `largest held-out error ${readable(Math.max(...errors))}` : "";
  }
  const distance = ([, value]) => Math.abs(value - score.value);
  const [name, value] = Object.entries(score.baselines).sort((one, other) => distance(one) - distance(other))[0] ?? []; // the hardest
  return `${metricName(score.metric)} ${metricText(score.metric, score.value)}${name ? `; ${name} ${metricText(score.metric, value)}` : ""}`;
}
