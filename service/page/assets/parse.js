/** Reads what people type, paste or upload: JSON, CSV, NumPy's text, numbers between spaces. */

import { listed } from "./numbers.js";

/** What was found: rows of steps of F numbers, and a sentence about it. */
class Found {
  constructor(rows, note) {
    this.rows = rows;
    this.note = note;
  }
}

/** Raises Error, whose message says what was expected and what came. `names`: of the features, in order. */
export function parse(text, names) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  if (!trimmed) throw new Error("Expected numbers; received nothing. Type, for example, 0.1 0.2 0.3.");
  const json = asJson(trimmed);
  const found = json === undefined ? fromLines(trimmed, names) : fromJson(json, names);
  const faulty = found.rows.findIndex((row) => row.length === 0);
  if (!found.rows.length || faulty >= 0) throw new Error("Expected at least one step in each row; received an empty row. Leave empty rows out.");
  return found;
}

/** undefined where the text is not meant as JSON or as an array. */
function asJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.startsWith("{")) throw new Error(`Expected JSON; received text that is none: ${error.message}.`, { cause: error });
    return /^(array\(|tensor\(|\[)/.test(text) ? fromNumpy(text) : undefined;
  }
}

/** `[0. 0.5]` and `array([[0., 0.5]], dtype=float32)`: commas and digits are added until it is JSON. */
function fromNumpy(text) {
  const array = text.slice(text.indexOf("["), text.lastIndexOf("]") + 1);
  const json = array
    .replace(/([\d.\]])\s+(?=[-+.\d[])/g, "$1,")
    .replace(/(\d)\.(?!\d)/g, "$1")
    .replace(/(^|[^\d])\.(?=\d)/g, "$10.");
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Error("Expected a list such as [0.1, 0.2] or NumPy's text; received a bracket that leads nowhere. Is a ] missing?", { cause: error });
  }
}

const depthOf = (value) => (Array.isArray(value) ? 1 + Math.max(0, ...value.slice(0, 1).map(depthOf)) : 0);

function fromJson(value, names) {
  let rows = value;
  if (typeof value === "number") rows = [value];
  else if (!Array.isArray(value)) {
    if (!Array.isArray(value?.sequences)) throw new Error('Expected a list, or an object {"sequences": [[...], ...]}; received something else.');
    rows = value.sequences;
  }
  const width = names.length;
  const depth = depthOf(rows);
  if (depth === 1 && rows.length && typeof rows[0] === "object") return fromRecords(rows, names);
  if (depth === 1) rows = width === 1 ? [rows.map((item) => [item])] : [[rows]];
  else if (depth === 2) rows = width === 1 ? rows.map((row) => rowOf(row).map((item) => [item])) : [rows];
  checkSteps(rows, names);
  return new Found(rows, `Read as JSON: ${counted(rows)}.`);
}

/** A list of objects, one a step. */
function fromRecords(records, names) {
  const missing = names.filter((name) => !(name in records[0]));
  if (missing.length) throw new Error(`Expected objects with ${listed(names)}; received one without ${listed(missing)}.`);
  const rows = [records.map((record) => names.map((name) => record[name]))];
  checkSteps(rows, names);
  return new Found(rows, `Read as JSON objects: ${counted(rows)}.`);
}

const rowOf = (value) => {
  if (!Array.isArray(value)) throw new Error(`Expected a list of numbers; received ${shown(value)}.`);
  return value;
};

function checkSteps(rows, names) {
  rows.forEach((row, number) => rowOf(row).forEach((step, place) => {
    const where = `row ${number + 1}, step ${place + 1}`;
    if (!Array.isArray(step) || step.length !== names.length) {
      const wanted = names.length === 1 ? "a number" : `${names.length} numbers (${listed(names)})`;
      throw new Error(`Expected ${wanted} at ${where}; received ${shown(step)}.`);
    }
    for (const item of step) if (!Number.isFinite(item)) throw new Error(`Expected a number at ${where}; received ${shown(item)}.`);
  }));
}

const shown = (value) => (JSON.stringify(value) ?? String(value)).slice(0, 60);

function fromLines(text, names) {
  const lines = text.split(/\r?\n/);
  const separator = lines.some((line) => line.includes(";")) ? ";" : lines.some((line) => line.includes("\t")) ? "\t" : ",";
  const cells = lines.map((line) => cut(line, separator));
  const first = cells.find((line) => line.length);
  if (!first) throw new Error("Expected numbers; received none.");
  const header = first.every((cell) => Number.isNaN(asNumber(cell, separator))) ? first : null;
  const body = header ? cells.slice(cells.indexOf(first) + 1) : cells;
  return header ? byColumns(body, header, names, separator) : byPlaces(body, names, separator);
}

function cut(line, separator) {
  const bare = line.trim().replace(/^["']|["']$/g, "");
  if (!bare) return [];
  const parts = bare.includes(separator) ? bare.split(separator) : bare.split(/\s+/);
  const cells = parts.map((cell) => cell.trim().replace(/^["']|["']$/g, ""));
  while (cells.length && cells.at(-1) === "") cells.pop();
  return cells;
}

/** Where cells are separated by `;`, a comma is a decimal comma. */
const asNumber = (cell, separator) => (cell === "" ? NaN : Number(separator === ";" ? cell.replace(",", ".") : cell));

function numberAt(cell, separator, line) {
  const number = asNumber(cell ?? "", separator);
  if (!Number.isFinite(number)) throw new Error(`Expected a number in line ${line}; received ${shown(cell ?? "nothing")}.`);
  return number;
}

function byColumns(lines, header, names, separator) {
  const places = names.map((name) => header.indexOf(name));
  const missing = names.filter((_, number) => places[number] < 0);
  if (missing.length && !(names.length === 1 && header.length === 1)) {
    throw new Error(`Expected the columns ${listed(names)}; received ${listed(header)}. Missing: ${listed(missing)}.`);
  }
  const used = missing.length ? [0] : places;
  const rows = [[]];
  lines.forEach((line, number) => {
    if (line.length) rows.at(-1).push(used.map((place) => numberAt(line[place], separator, number + 2)));
    else if (rows.at(-1).length) rows.push([]);
  });
  if (!rows.at(-1).length) rows.pop();
  const ignored = header.filter((_, place) => !used.includes(place));
  return new Found(rows, `Read as CSV: ${counted(rows)}${ignored.length ? `; not used: ${listed(ignored)}` : ""}.`);
}

/** Without names: of one feature a line is a row, and a single column is a row; of several a line is a step. */
function byPlaces(lines, names, separator) {
  const numbers = lines.map((line, number) => line.map((cell) => numberAt(cell, separator, number + 1)));
  const filled = numbers.filter((line) => line.length);
  if (names.length === 1) {
    const rows = filled.every((line) => line.length === 1) ? [filled] : filled.map((line) => line.map((item) => [item]));
    return new Found(rows, `Read as numbers: ${counted(rows)}.`);
  }
  const rows = [[]];
  numbers.forEach((line, number) => {
    if (!line.length && rows.at(-1).length) rows.push([]);
    else if (line.length && line.length !== names.length) {
      throw new Error(`Expected ${names.length} numbers (${listed(names)}) in line ${number + 1}; received ${line.length}.`);
    } else if (line.length) rows.at(-1).push(line);
  });
  if (!rows.at(-1).length) rows.pop();
  return new Found(rows, `Read as a step a line: ${counted(rows)}.`);
}

function counted(rows) {
  const lengths = [...new Set(rows.map((row) => row.length))];
  const steps = lengths.length === 1 ? `${lengths[0]}` : `${Math.min(...lengths)} to ${Math.max(...lengths)}`;
  return `${rows.length} row${rows.length > 1 ? "s" : ""} of ${steps} step${steps === "1" ? "" : "s"}`;
}
