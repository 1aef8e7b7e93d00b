/** Shows all that belongs to an answer, and what is out of the domain. */

import { byId, element } from "./dom.js";
import { showNetwork } from "./network.js";
import { readable, shapeOf } from "./numbers.js";
import { showReshape } from "./reshape.js";
import { showAnswer, spoken } from "./results.js";
import { toModel } from "./topologies.js";

const MOST_WARNINGS = 5;

/** Everything that shows the answer. */
export function showPictures(state) {
  const { answer, card, rows, row } = state;
  if (!answer) return;
  const outside = answer.inDomain[row] ? "" : " Out of the domain: trust it less.";
  byId("answer-said").textContent = spoken(answer, row) + outside;
  const facts = [["Version", answer.version], ["In the domain", answer.inDomain[row] ? "yes" : "no"], ["Latency", `${answer.milliseconds.toFixed(1)} ms in this browser`]];
  const list = element("dl", { class: "said-facts" }, facts.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
  const place = element("div", {});
  byId("answer").replaceChildren(place, ...proof(state), list);
  showSections(true, true);
  showAnswer(place, answer, row);
  showReshape(byId("reshape"), card, rows, answer);
  showNetwork(byId("network"), card, rows[row], answer.texts(row), shapeOf(toModel(card.topology, rows)));
}

/** Of an example with a known answer: how far the answer is from it. */
function proof({ answer, card, example }) {
  if (!example?.output || answer.version !== card.version) return [];
  const given = answer.numbers[0].flat();
  const largest = example.output.flat().reduce((most, item, place) => Math.max(most, Math.abs(item - given[place])), 0);
  const same = largest <= card.golden_tolerance;
  const said = `${same ? "✓ The same as" : "Differs from"} the answer before publishing: largest difference ${readable(largest)}.`;
  return [element("p", { class: same ? "proof" : "problem" }, said)];
}

/** Hide what has nothing to show. `answered`: whether there is an answer; `asked`: whether there is a request. */
export function showSections(answered, asked) {
  for (const part of ["reshape-section", "network-section"]) byId(part).hidden = !answered;
  byId("curl-section").hidden = !asked;
}

/** Mark what lies out of the domain in the row on the screen. */
export function showWarnings({ rows, row, card }) {
  const found = rows[row].flatMap((step, place) => step.flatMap((item, feature) => {
    const { name, domain } = card.features[feature];
    if (!Number.isFinite(item) || (item >= domain.low && item < domain.high)) return [];
    return [`Step ${place + 1}: ${name} ${readable(item)} is out of the domain, ${readable(domain.low)} to below ${readable(domain.high)}.`];
  }));
  const more = found.length > MOST_WARNINGS ? [`And ${found.length - MOST_WARNINGS} more.`] : [];
  byId("domain-note").hidden = !found.length;
  byId("domain-note").replaceChildren(...[...found.slice(0, MOST_WARNINGS), ...more].map((text) => element("li", {}, text)));
}
