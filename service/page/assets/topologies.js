/** The three topologies, as contract/topologies.py has them: the reshape both ways and the parameter arithmetic. */

import { shapeText } from "./numbers.js";

/** K: numbers in the answer to a step, or to a row. */
export function outputsOf(card) {
  if (card.task === "echo") return card.topology === "many_to_one" ? card.length : card.features.length;
  return card.classes.length || card.targets.length * (card.horizon ?? 1);
}

export const perStep = (card) => card.topology !== "many_to_one";

/** Rows of steps -> the model's input, rows padded with zeros to the longest. */
export function toModel(topology, rows) {
  if (topology === "one_to_one") return rows.flat().map((step) => [step]);
  const longest = Math.max(...rows.map((row) => row.length));
  return rows.map((row) => [...row, ...Array(longest - row.length).fill(row[0].map(() => 0))]);
}

/** Answers per row -> the array that the model returned. Answers of a step are lists of K numbers. */
export function fromAnswers(topology, answers) {
  if (topology === "many_to_one") return answers;
  if (topology === "one_to_one") return answers.flat();
  const longest = Math.max(...answers.map((row) => row.length));
  return answers.map((row) => [...row, ...Array(longest - row.length).fill(row[0].map(() => 0))]);
}

/** Each layer with the shape after it, and its parameters worked out. */
export function layersOf(card, inputShape) {
  const { units, layers, topology } = card;
  const features = card.features.length;
  const outputs = outputsOf(card);
  const [batch, time] = inputShape;
  const each = topology === "many_to_many";
  const found = [];
  for (let number = 0; number < layers; number += 1) {
    const inputs = number ? units : features;
    const sequences = each || number < layers - 1;
    found.push({
      name: `LSTM(${units}${sequences ? ", return_sequences=True" : ""})`,
      shape: shapeText(sequences ? [batch, time, units] : [batch, units]),
      worked: `4 · ((${inputs} + 1) · ${units} + ${units}²)`,
      parameters: 4 * ((inputs + 1) * units + units ** 2),
    });
  }
  const softmax = card.classes.length ? ', activation="softmax"' : "";
  const dense = `Dense(${outputs}${softmax})`;
  found.push({
    name: each ? `TimeDistributed(${dense})` : dense,
    shape: shapeText(each ? [batch, time, outputs] : [batch, outputs]),
    worked: `${units} · ${outputs} + ${outputs}`,
    parameters: units * outputs + outputs,
  });
  return found;
}
