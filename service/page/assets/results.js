/** Shows one row's answer, in the way that suits its task. */

import { bars } from "./bars.js";
import { chart } from "./charts.js";
import { details, element, table } from "./dom.js";
import { largest, least, percent, readable, shortest } from "./numbers.js";
import { perStep } from "./topologies.js";

/** Fill `place` with the answer to row number `row`. */
export function showAnswer(place, answer, row) {
  place.replaceChildren();
  SHOW[answer.card.task](place, answer, row);
}

const SHOW = { echo: showEcho, forecast: showForecast, regress: showNumbers, classify: showClasses, label: showLabels };

const counted = (number) => Array.from({ length: number }, (_, place) => place + 1);
const column = (steps, feature) => steps.map((step) => step[feature]);
const named = (quantity) => (quantity.unit ? `${quantity.name} (${quantity.unit})` : quantity.name);

function showEcho(place, answer, row) {
  const { card } = answer;
  const inputs = answer.rows[row];
  const outputs = perStep(card) ? answer.numbers[row] : answer.numbers[row].map((item) => [item]);
  const errors = answer.errors(row);
  const x = counted(inputs.length);
  const worst = largest(errors);
  card.features.slice(0, MOST_CHARTS).forEach((feature, number) => chart(place, {
    x,
    label: `Input and output of ${feature.name} over ${x.length} steps. The largest error is ${readable(worst)}.`,
    yLabel: named(feature),
    band: [feature.domain.low, feature.domain.high],
    series: [
      { label: "input", values: column(inputs, number), colour: "input" },
      { label: "output", values: column(outputs, number), colour: "output", dash: true },
    ],
  }));
  chart(place, {
    x,
    label: `Error of each step, at most ${readable(worst)}.`,
    yLabel: "error",
    height: 120,
    zero: true,
    series: [{ label: `error per step, largest ${readable(worst)}`, values: errors, colour: "error", bars: true }],
  });
  const rows = inputs.map((step, number) => [`${number + 1}`, step.map(shortest).join(", "), outputs[number].map(String).join(", "), readable(errors[number])]);
  place.append(details("Numbers", table("Echo", ["step", "input", "output", "error"], rows)));
}

/** The history of a target, if it is a feature too; then what the model expects. */
function showForecast(place, answer, row) {
  const { card } = answer;
  const history = answer.rows[row];
  const each = perStep(card);
  const steps = each ? answer.numbers[row] : inSteps(answer.numbers[row], card.targets.length);
  const first = each ? 2 : history.length + 1; // each step answers with the next
  const x = counted(first + steps.length - 1);
  card.targets.slice(0, MOST_CHARTS).forEach((target, number) => {
    const feature = card.features.findIndex((known) => known.name === target.name);
    const past = feature < 0 ? [] : column(history, feature);
    const forecast = column(steps, number);
    const joined = !each && past.length ? [past.at(-1), ...forecast] : forecast; // drawn from the last known value on
    const before = first - 1 - (joined.length - forecast.length);
    const series = [{ label: "forecast", values: [...Array(before).fill(null), ...joined], colour: "output", dash: true }];
    if (past.length) series.unshift({ label: "history", values: [...past, ...Array(x.length - past.length).fill(null)], colour: "input" });
    chart(place, { x, series, yLabel: named(target), label: `Forecast of ${target.name}: ${forecast.map(readable).join(", ")}, after ${past.length} known steps.` });
  });
  const rows = steps.map((step, number) => [`${first + number}`, ...step.map(String)]);
  place.append(details("Numbers", table("Forecast", ["step", ...card.targets.map(named)], rows)));
}

function inSteps(numbers, width) {
  return Array.from({ length: numbers.length / width }, (_, step) => numbers.slice(step * width, (step + 1) * width));
}

function showNumbers(place, answer, row) {
  const { card } = answer;
  if (!perStep(card)) {
    const figures = card.targets.map((target, number) =>
      element("div", {}, element("dt", {}, target.name), element("dd", {}, String(answer.numbers[row][number]), target.unit ? ` ${target.unit}` : "")));
    place.append(element("dl", { class: "figures" }, figures));
    return;
  }
  const steps = answer.numbers[row];
  card.targets.slice(0, MOST_CHARTS).forEach((target, number) => {
    const values = column(steps, number);
    chart(place, {
      x: counted(steps.length),
      yLabel: named(target),
      label: `${target.name} for each of ${steps.length} steps, from ${readable(least(values))} to ${readable(largest(values))}.`,
      series: [{ label: target.name, values, colour: "output" }],
    });
  });
  const rows = steps.map((step, number) => [`${number + 1}`, ...step.map(String)]);
  place.append(details("Numbers", table("Answer of each step", ["step", ...card.targets.map(named)], rows)));
}

const MOST_BARS = 12;
const MOST_CHARTS = 3;
const MOST_RUNS = 4;

function showClasses(place, answer, row) {
  const { card, numbers, labels } = answer;
  const ordered = card.classes.map((name, number) => ({ name, share: numbers[row][number] })).sort((one, other) => other.share - one.share);
  place.append(bars(ordered.slice(0, MOST_BARS).map(({ name, share }) => ({ name, share, text: percent(share), chosen: name === labels[row] }))));
  showInputs(place, answer, row);
  const rows = ordered.map(({ name, share }) => [name, String(share)]);
  place.append(details("Numbers", table("Probabilities", ["class", "probability"], rows)));
}

function showLabels(place, answer, row) {
  const { card, numbers, labels } = answer;
  const given = labels[row];
  const share = (step) => Math.max(...numbers[row][step]);
  const runs = runsOf(given);
  const item = (run) => {
    const made = element("li", { class: `kind-${card.classes.indexOf(run.label) % 6}` }, runText(run));
    made.style.setProperty("--steps", run.last - run.first + 1);
    return made;
  };
  showInputs(place, answer, row);
  place.append(element("ol", { class: "runs", "aria-label": "Labels, in the order of the steps" }, runs.map(item)));
  const classes = card.classes.slice(0, MOST_BARS);
  const rows = given.map((label, step) => [`${step + 1}`, label, percent(share(step)), ...classes.map((_, number) => String(numbers[row][step][number]))]);
  place.append(details("Numbers", table("Label of each step", ["step", "label", "probability", ...classes], rows)));
}

const runText = ({ label, first, last }) => `${label} ${first === last ? `at step ${first}` : `at steps ${first} to ${last}`}`;

/** What was sent, of a few features. */
function showInputs(place, { card, rows }, row) {
  card.features.slice(0, MOST_CHARTS).forEach((feature, number) => chart(place, {
    x: counted(rows[row].length),
    height: 140,
    yLabel: named(feature),
    label: `${feature.name} over ${rows[row].length} steps.`,
    series: [{ label: `input ${feature.name}`, values: column(rows[row], number), colour: "input" }],
  }));
}

/** Neighbouring steps of one label. */
function runsOf(labels) {
  const runs = [];
  labels.forEach((label, step) => {
    if (runs.at(-1)?.label === label) runs.at(-1).last = step + 1;
    else runs.push({ label, first: step + 1, last: step + 1 });
  });
  return runs;
}

/** One sentence for people who listen: what came out. */
export function spoken(answer, row) {
  const { card } = answer;
  const which = answer.rows.length > 1 ? `Row ${row + 1}: ` : "";
  return which + SPOKEN[card.task](answer, row);
}

const SPOKEN = {
  echo: (answer, row) => `echoed ${answer.rows[row].length} step${answer.rows[row].length > 1 ? "s" : ""}, largest error ${readable(largest(answer.errors(row)))}.`,
  forecast: (answer, row) => `the next ${perStep(answer.card) ? "step at every step" : `${answer.card.horizon} steps`}, from ${edges(answer.numbers[row].flat())}.`,
  regress: (answer, row) => (perStep(answer.card) ? `a number for each of ${answer.numbers[row].length} steps.` : `${answer.numbers[row].map(readable).join(", ")}.`),
  classify: (answer, row) => `${answer.labels[row]}, probability ${percent(Math.max(...answer.numbers[row]))}.`,
  label: (answer, row) => {
    const runs = runsOf(answer.labels[row]);
    return runs.length > MOST_RUNS ? `${runs.length} runs of a label over ${answer.labels[row].length} steps.` : `${runs.map(runText).join(", then ")}.`;
  },
};

const edges = (values) => `${readable(values[0])} to ${readable(values.at(-1))}`;
