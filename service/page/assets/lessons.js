/** Draws the three topologies beside each other, for the lesson about TimeDistributed. */

import { unrolled } from "./network.js";

const STEPS = ["x1", "x2", "x3"];
const ANSWERS = { one_to_one: ["y1", "y2", "y3"], many_to_one: ["y"], many_to_many: ["y1", "y2", "y3"] };

export function showLessons() {
  for (const place of document.querySelectorAll(".drawing")) {
    const { topology } = place.dataset;
    const outputs = topology === "many_to_one" ? 5 : 1;
    const card = { topology, task: "lesson", units: 5, layers: 1, classes: [], targets: Array(outputs), features: Array(1) };
    place.append(unrolled({ card, inputs: STEPS, answers: ANSWERS[topology], width: 400 }));
  }
}
