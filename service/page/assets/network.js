/** Draws the network unrolled: a cell a step, as many as fit, and works its parameters out. */

import { drawn, element, table } from "./dom.js";
import { readable } from "./numbers.js";
import { layersOf, outputsOf } from "./topologies.js";

const WIDE = { cell: 92, box: 66, side: 26 };
const NARROW = { cell: 74, box: 60, side: 5 };
const HEIGHT = 34; // of a box
const ROW = 66;
const BREAK = 420; // the width below which it is drawn narrow
const MOST_LAYERS = 3;

/** `card`: the model; `row`: steps of numbers; `answers`: of each step, or one of the row, as short texts; null without one. */
export function showNetwork(place, card, row, answers, inputShape) {
  const drawing = unrolled({ card, inputs: row.map(stepText), answers, width: place.clientWidth || 340 });
  const layers = layersOf(card, inputShape);
  const total = layers.reduce((sum, layer) => sum + layer.parameters, 0);
  const rows = layers.map((layer) => [element("code", {}, layer.name), layer.worked, String(layer.parameters)]);
  place.replaceChildren(
    drawing,
    element("p", { class: "note" }, WORDS[card.topology]),
    table("Parameters", ["layer", "worked out", "parameters"], [...rows, ["total", `the card says ${card.parameters}`, String(total)]]),
  );
}

const WORDS = {
  one_to_one: "Each step is a sample of its own. The LSTM starts from zero at each, so nothing passes from step to step.",
  many_to_one: "One cell, used again at each step; h and c pass on. Only the last state reaches the Dense layer, so the time axis is gone.",
  many_to_many: "One cell, used again at each step; h and c pass on. TimeDistributed applies the same Dense layer to the state of each step.",
};

function stepText(step) {
  return step.length === 1 ? readable(step[0]) : `${step.length} numbers`;
}

/** The places of the steps that are drawn; null stands for those left out. */
function fitting(steps, width, { cell, side }) {
  const most = Math.max(3, Math.floor((width - 2 * side) / cell));
  const all = Array.from({ length: steps }, (_, number) => number);
  return steps <= most ? all : [...all.slice(0, most - 2), null, steps - 1];
}

/** The drawing alone. `answers`: texts, or null. */
export function unrolled({ card, inputs, answers, width }) {
  const { topology } = card;
  const sizes = width < BREAK ? NARROW : WIDE;
  const { cell, side } = sizes;
  const edge = sizes.box / 2 + 1;
  const places = fitting(inputs.length, width, sizes);
  const layers = Math.min(card.layers, MOST_LAYERS);
  const whole = { width: 2 * side + places.length * cell, height: (layers + 3) * ROW - 18 };
  const each = topology !== "many_to_one";
  const lines = [];
  const level = (number) => whole.height - 26 - number * ROW; // 0: the inputs; then the layers, the head, the answers
  const middle = (column) => side + column * cell + cell / 2;
  places.forEach((step, column) => {
    const x = middle(column);
    if (step === null) {
      lines.push(text(x, level(1) + 4, "…", "dots"));
      return;
    }
    const last = column === places.length - 1;
    const answered = each || last;
    lines.push(text(x, level(0) + 4, inputs[step], "input"), text(x, level(0) + 18, `step ${step + 1}`, "small"));
    for (let layer = 1; layer <= layers; layer += 1) {
      lines.push(arrow(x, level(layer - 1) - (layer === 1 ? 14 : 19), x, level(layer) + 19));
      lines.push(...box(sizes, x, level(layer), `LSTM ${card.units}`, "lstm"));
      if (topology === "one_to_one") lines.push(text(x - edge - 5, level(layer) - 10, "0", "small"), arrow(x - edge - 10, level(layer), x - edge, level(layer)));
      else if (!last) lines.push(arrow(x + edge, level(layer), x + cell - edge, level(layer)));
    }
    if (answered) {
      const head = `Dense ${outputsOf(card)}`;
      lines.push(arrow(x, level(layers) - 19, x, level(layers + 1) + 19), ...box(sizes, x, level(layers + 1), head, "dense"));
      lines.push(arrow(x, level(layers + 1) - 19, x, level(layers + 2) + 14));
      lines.push(text(x, level(layers + 2) + 6, answers ? answers[each ? step : 0] : "", "output"));
    }
  });
  if (topology === "many_to_many") {
    const y = level(layers + 1);
    lines.unshift(drawn("rect", { class: "shared", x: side, y: y - 25, width: places.length * cell, height: 50, rx: 10 }));
  }
  const title = `${topology}, ${inputs.length} step${inputs.length > 1 ? "s" : ""}, ${card.layers} LSTM layer${card.layers > 1 ? "s" : ""} of ${card.units} units`;
  const box_ = `0 0 ${whole.width} ${whole.height}`;
  return drawn("svg", { class: "network", viewBox: box_, width: whole.width, height: whole.height, role: "img", "aria-label": `The network unrolled: ${title}` }, lines);
}

function text(x, y, content, kind) {
  return drawn("text", { x, y, class: kind }, content);
}

function box({ box: width }, x, y, label, kind) {
  return [drawn("rect", { class: kind, x: x - width / 2, y: y - HEIGHT / 2, width, height: HEIGHT, rx: 7 }), text(x, y + 4, label, "label")];
}

function arrow(x1, y1, x2, y2) {
  const [dx, dy] = [Math.sign(x2 - x1), Math.sign(y2 - y1)];
  const head = `M${x2 - 5 * dx - 4 * dy} ${y2 - 5 * dy - 4 * dx}L${x2} ${y2}L${x2 - 5 * dx + 4 * dy} ${y2 - 5 * dy + 4 * dx}`;
  return drawn("path", { class: "arrow", d: `M${x1} ${y1}L${x2} ${y2}${head}` });
}
