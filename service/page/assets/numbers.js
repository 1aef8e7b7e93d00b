/** Writes numbers and arrays as text. */

/** The fewest digits that give back the same float32, which is what a model sees. */
export function shortest(value) {
  if (!Number.isFinite(value)) return String(value);
  const wanted = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === wanted) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

/** For people to read: four digits, or three where the number is small beside 0. */
export function readable(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** A share in percent: never 0 or 100 unless it is that. */
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1\u00a0%";
  if (share < 1 && share > 0.999) return "> 99.9\u00a0%";
  return `${Number((100 * share).toFixed(1))}\u00a0%`;
}

/** The largest of any number of values: `Math.max(...values)` fails at a hundred thousand. */
export const largest = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);
export const least = (values) => -largest(values.map((value) => -value));

/** 1, 2 or 5 times a power of ten, and at most `value`. */
export function roundStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const [digit] = [5, 2, 1].filter((each) => each * power <= value);
  return Number(((digit ?? 1) * power).toPrecision(1));
}

/** A few names of many. */
export const listed = (names, most = 8) => `${names.slice(0, most).join(", ")}${names.length > most ? `, ... (${names.length})` : ""}`;

/** A shape as Python writes it. */
export const shapeText = (shape) => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);

export function shapeOf(array) {
  const shape = [];
  for (let part = array; Array.isArray(part); part = part[0]) shape.push(part.length);
  return shape;
}

const MOST_NUMBERS = 48;
const EDGE = 3;

/** An array as NumPy prints it: the middle of a large one is left out. */
export function arrayText(array) {
  const large = shapeOf(array).reduce((product, size) => product * size, 1) > MOST_NUMBERS;
  return written(array, 1, large);
}

function written(array, depth, large) {
  const shown = large && array.length > 2 * EDGE ? [...array.slice(0, EDGE), null, ...array.slice(-EDGE)] : array;
  const parts = shown.map((part) => (part === null ? "..." : Array.isArray(part) ? written(part, depth + 1, large) : shortest(part)));
  const deepest = !Array.isArray(array[0]);
  const single = !deepest && array[0].length === 1 && !Array.isArray(array[0][0]);
  const between = deepest ? ", " : single ? ", " : `,\n${" ".repeat(depth)}`;
  return `[${wrapped(parts, between, depth)}]`;
}

/** Lines of at most some 60 characters where the parts stand beside each other. */
function wrapped(parts, between, depth) {
  if (between !== ", ") return parts.join(between);
  const lines = [[]];
  let width = depth;
  for (const part of parts) {
    if (width + part.length > 60 && lines.at(-1).length) {
      lines.push([]);
      width = depth;
    }
    lines.at(-1).push(part);
    width += part.length + 2;
  }
  return lines.map((line) => line.join(", ")).join(`,\n${" ".repeat(depth)}`);
}
