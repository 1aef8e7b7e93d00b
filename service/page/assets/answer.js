/** What the service answered, row by row, whatever the task. */

import { readable } from "./numbers.js";
import { perStep } from "./topologies.js";

export class Answer {
  /** `body`: of the service; `rows`: that were asked. */
  constructor(card, rows, body, milliseconds) {
    Object.assign(this, { card, rows, body, milliseconds });
    const values = body.probabilities ?? body.sequences ?? body.outputs;
    /** For each row the K numbers of each step; for many_to_one the K numbers of the row. */
    this.numbers = perStep(card) ? values.map((row) => row.map((step) => (Array.isArray(step) ? step : [step]))) : values;
    this.labels = body.labels ?? null;
    this.version = body.version;
    this.inDomain = body.in_domain;
  }

  /** A few words for each step of a row, or for the row: what stands over the unrolled network. */
  texts(row) {
    if (this.labels) return perStep(this.card) ? this.labels[row] : [this.labels[row]];
    if (!perStep(this.card)) return [this.numbers[row].length === 1 ? readable(this.numbers[row][0]) : `${this.numbers[row].length} numbers`];
    return this.numbers[row].map((step) => (step.length === 1 ? readable(step[0]) : `${step.length} numbers`));
  }

  /** The differences of an echo from its input, for each step the largest of its features. */
  errors(row) {
    const wanted = this.rows[row];
    const given = perStep(this.card) ? this.numbers[row] : this.numbers[row].map((item) => [item]);
    return wanted.map((step, place) => Math.max(...step.map((item, feature) => Math.abs(item - given[place][feature]))));
  }
}
