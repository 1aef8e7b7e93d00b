/** Rows to begin with: the first of them gets a right answer. */

const RAMP = [0, 0.2, 0.4, 0.6, 0.8];
const MOST = 4;

/** `{ name, rows }` for a model, from what its card says. */
export function examplesOf(card) {
  const own = card.task === "echo" ? echoes(card) : golden(card);
  return [...own, outside(card, own[0].rows)];
}

function echoes(card) {
  const length = card.any_length ? RAMP.length : card.length;
  const shaped = (shares) => shares.map((share) => card.features.map(({ domain }) => between(domain, share)));
  const ramp = Array.from({ length }, (_, step) => (0.8 * step) / Math.max(1, length - 1));
  const steps = Array.from({ length }, (_, step) => (step % 2 ? 0.75 : 0.25));
  const found = [{ name: "Ramp", rows: [shaped(ramp)] }, { name: "Up and down", rows: [shaped(steps)] }];
  if (card.any_length) {
    const wave = Array.from({ length: 40 }, (_, step) => 0.5 + 0.4 * Math.sin(step / 4));
    found.push({ name: "Wave of 40 steps", rows: [shaped(wave)] }, { name: "Two rows, unequal", rows: [shaped(ramp), shaped([0.5, 0.1])] });
  } else found.push({ name: "Two rows", rows: [shaped(ramp), shaped([...ramp].reverse())] });
  return found;
}

const between = ({ low, high }, share) => Number((low + share * (high - low)).toPrecision(4));

/** The rows with which each worker proves the version: their right answers are known. Rows that the data has come first. */
function golden(card) {
  const inside = (step) => step.every((item, feature) => item >= card.features[feature].domain.low && item < card.features[feature].domain.high);
  const shortest = card.data?.shortest ?? 1;
  const usable = card.golden.filter(({ input }) => input.every(inside) && input.length >= shortest);
  const chosen = (usable.length ? usable : card.golden).slice(0, MOST);
  return chosen.map(({ input, output }, number) => ({ name: `${card.data ? "Held-out row" : "Example"} ${number + 1}`, rows: [input.map((step) => [...step])], output }));
}

/** The first example with one value that no training row had. */
function outside(card, rows) {
  const copy = rows.map((row) => row.map((step) => [...step]));
  const { low, high } = card.features[0].domain;
  const middle = Math.floor(copy[0].length / 2);
  copy[0][middle][0] = Number((high + 0.5 * (high - low)).toPrecision(4));
  return { name: "Out of the domain", rows: [copy[0]] };
}
