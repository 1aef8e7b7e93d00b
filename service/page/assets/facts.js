/** What a model says of itself: its card, its versions, what is on trial, and the service's limits. */

import { bars } from "./bars.js";
import { chart } from "./charts.js";
import { details, element, table } from "./dom.js";
import { metricName, metricText, TASKS } from "./models.js";
import { listed, readable } from "./numbers.js";

const MOST_ERRORS = 2;
const HIGHER_IS_BETTER = new Set(["r2", "accuracy", "balanced_accuracy", "f1"]);

/** `trials`: of GET /models/{name}/comparison; `limits`: of GET /models. */
export function showFacts(place, card, trials, limits) {
  place.replaceChildren(
    element("div", {}, list(card)),
    element("div", {}, quality(card), trials.map(trial), versions(card)),
    element("div", {}, features(card), curve(card), more(card), limitsOf(limits, card)),
  );
}

function list(card) {
  const length = card.any_length ? `any; gated up to ${card.highest_length} steps` : `${card.length} steps, no other`;
  const terms = {
    Task: `${card.task}: ${TASKS[card.task]}`,
    Topology: card.topology,
    Rows: length,
    Network: `${card.layers} LSTM layer${card.layers > 1 ? "s" : ""} of ${card.units} units, ${card.parameters} parameters`,
    Scaling: card.scaling === "none" ? null : card.scaling,
    Horizon: card.horizon && `${card.horizon} steps`,
    Classes: card.classes.length ? listed(card.classes, 20) : null,
    Data: dataText(card),
    Trained: `${new Date(card.created).toLocaleString()}, recipe ${card.recipe}, ${card.steps} steps`,
    Runtime: card.runtime,
  };
  const known = Object.entries(terms).filter(([, text]) => text);
  return element("dl", { class: "facts" }, known.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
}

function dataText({ data }) {
  if (!data) return "generated sequences";
  const lengths = data.shortest === data.length ? `${data.length}` : `${data.shortest} to ${data.length}`;
  return `${data.file}: ${data.rows_train} rows to train, ${data.rows_held_out} held out (${data.split}), ${lengths} steps each`;
}

/** The metric against its bar and its baselines; of an echo, its errors against the bars of the gate. */
function quality(card) {
  const { score } = card;
  if (!score) {
    const errors = card.figures.filter((figure) => figure.name.startsWith("error"));
    return [element("h3", {}, "Largest errors; every value must stay within its bar"), ...errors.slice(0, MOST_ERRORS).map((figure) => element("div", {},
      element("p", { class: "note" }, figure.name.replace("error, ", "")), compared([["measured", figure.value], ["bar", figure.bar]], readable)))];
  }
  const better = HIGHER_IS_BETTER.has(score.metric) ? "higher is better" : "lower is better";
  const lines = [
    ["this model", score.value],
    ...(score.bar === null ? [] : [["bar", score.bar]]),
    ...Object.entries(score.baselines).map(([name, value]) => [score.beats.includes(name) ? `${name} (to beat)` : name, value]),
  ];
  const text = (value) => metricText(score.metric, value);
  const interval = `95 % interval ${text(score.low)} to ${text(score.high)}, on ${score.rows} held-out rows.`;
  return [element("h3", {}, `${metricName(score.metric)}, ${better}`), compared(lines, text), element("p", { class: "note" }, interval)];
}

/** `[name, value]` beside each other; the first is this model's. */
function compared(lines, text) {
  const most = Math.max(...lines.map(([, value]) => Math.abs(value))) || 1;
  return bars(lines.map(([name, value], number) => ({ name, share: Math.abs(value) / most, text: text(value), chosen: !number })));
}

function features(card) {
  const row = (kind) => (quantity) => [quantity.name, kind, quantity.unit || "–", `${readable(quantity.domain.low)} to ${readable(quantity.domain.high)}`];
  const rows = [...card.features.map(row("feature")), ...card.targets.map(row("target"))];
  return element("div", {}, element("h3", {}, "Features and their domains"), table("Features", ["name", "kind", "unit", "domain"], rows));
}

function versions(card) {
  const rows = [...card.versions].reverse().map((each) => [
    element("code", {}, each.version),
    [each.version === card.version ? "answers" : "", ...each.aliases].filter(Boolean).join(", ") || "–",
    each.score ? metricText(each.score.metric, each.score.value) : "–",
  ]);
  return element("div", {}, element("h3", {}, "Versions in memory"), table("Versions", ["version", "aliases", "score"], rows));
}

function trial(each) {
  const share = each.kind === "canary" ? `answers ${each.percent} % of the requests for ${each.alias}` : `is asked beside ${each.alias}`;
  const text = `${each.candidate} ${share}: ${each.sides.candidate.requests} requests, ${each.sides.candidate.errors} failed, ${each.differing_rows} of ${each.compared_rows} compared rows differ.`;
  return element("p", { class: "trial" }, element("strong", {}, each.kind === "canary" ? "Canary. " : "Shadow. "), text);
}

/** The loss in the course of training. */
function curve(card) {
  if (card.curve.length < 2) return [];
  const validation = card.curve.map((point) => point.validation_loss);
  const series = [{ label: "loss", values: card.curve.map((point) => point.loss), colour: "input" }];
  if (validation.some((value) => value !== null)) series.push({ label: "validation loss", values: validation, colour: "output", dash: true });
  const place = details("Loss in the course of training");
  chart(place, { x: card.curve.map((point) => point.step), series, yLabel: "loss", height: 180, label: `Loss from ${readable(card.curve[0].loss)} to ${readable(card.curve.at(-1).loss)} over ${card.steps} steps of training.` });
  return [place];
}

function more(card) {
  const rows = card.figures.map((figure) => [figure.name, readable(figure.value), `${figure.at_least ? "≥" : "≤"} ${readable(figure.bar)}`]);
  return details("All figures of the gate", table("All figures of the gate", ["figure", "measured", "bar"], rows));
}

function limitsOf(limits, card) {
  const rows = [
    ["rows in a request", limits.max_rows],
    ["items in a request", limits.max_items],
    ["bytes of a request", limits.max_body_bytes],
    ["longest rows of the gate", card.highest_length],
    ["deadline", `${limits.timeout_ms} ms, up to ${limits.max_timeout_ms} ms`],
  ];
  return details("Limits", table("Limits", ["what", "most"], rows.map(([what, most]) => [what, String(most)])));
}
