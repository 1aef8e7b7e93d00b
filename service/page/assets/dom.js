/** Makes elements. No text ever becomes markup: the page's policy forbids it. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** An HTML element. A function among the attributes is a listener: `{ click: () => ... }`. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name.startsWith("aria-")) made.setAttribute(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const MOST_ROWS = 1000;

/** A table. `head` and `rows` hold texts or elements; the first cell of each row is its heading. Of many rows the first are shown. */
export function table(caption, head, rows) {
  const cells = (row) => row.map((cell, place) => element(place ? "td" : "th", place ? {} : { scope: "row" }, cell));
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, rows.slice(0, MOST_ROWS).map((row) => element("tr", {}, cells(row)))),
    ),
    rows.length > MOST_ROWS ? element("p", { class: "note" }, `The first ${MOST_ROWS} of ${rows.length} rows.`) : null,
  );
}

/** A part that its reader opens. */
export function details(summary, ...children) {
  return element("details", {}, element("summary", {}, summary), ...children);
}

/** Show a message in an element that is hidden while it is empty. */
export function say(place, text) {
  place.textContent = text;
  place.hidden = !text;
}
