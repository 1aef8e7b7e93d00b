/** Where a row is typed, pasted, drawn or uploaded. All four change the same rows. */

import { Drawing } from "./drawing.js";
import { element } from "./dom.js";
import { listed, roundStep, shortest } from "./numbers.js";
import { parse } from "./parse.js";

const TABS = ["Type", "Paste", "Draw", "Upload"];
const STEPS_SHOWN = 48;
const MOST_TEXT = 20_000; // numbers that the text shows

/** A number that is not there yet: its field is empty. */
const MISSING = NaN;

export class Editor {
  /** `changed(rows, row)`: after each change, with all rows and the place of the one on the screen. `wrong(message)`: where what was given cannot be read. */
  constructor(place, { changed, wrong }) {
    Object.assign(this, { _changed: changed, _wrong: wrong, _rows: [], _row: 0, _page: 0, _feature: 0 });
    this._drawing = new Drawing(() => this._tell());
    this._tabs = TABS.map((name, number) => element("button", {
      type: "button", role: "tab", id: `tab-${number}`, "aria-controls": `panel-${number}`, click: () => this._open(number), keydown: (event) => this._turn(event, number),
    }, name));
    this._panels = TABS.map((_, number) => element("div", { role: "tabpanel", id: `panel-${number}`, "aria-labelledby": `tab-${number}` }));
    place.append(element("div", { class: "tabs", role: "tablist", "aria-label": "How to give the row" }, this._tabs), ...this._panels);
    this._open(0);
  }

  /** Show rows of a model's features; `row` is the one to edit. */
  show(rows, row, features) {
    Object.assign(this, { _rows: rows, _row: row, _features: features, _unread: false });
    this._feature = Math.min(this._feature, features.length - 1);
    this._page = 0;
    this._fill();
  }

  _tell() {
    this._unread = false;
    this._changed(this._rows, this._row);
  }

  get _steps() {
    return this._rows[this._row];
  }

  _open(number) {
    this._tab = number;
    this._tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", each === number);
      tab.tabIndex = each === number ? 0 : -1;
      this._panels[each].hidden = each !== number;
    });
    if (!this._rows.length) return;
    if (this._unread) this._tell(); // what could not be read is given up
    this._fill();
  }

  _turn(event, number) {
    const places = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: TABS.length - 1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    const next = (places[event.key] + TABS.length) % TABS.length;
    this._open(next);
    this._tabs[next].focus();
  }

  _fill() {
    [() => this._fillNumbers(), () => this._fillText(), () => this._fillDrawing(), () => this._fillUpload()][this._tab]();
  }

  // Type: a field for each number.

  _fillNumbers() {
    const pages = Math.ceil(this._steps.length / STEPS_SHOWN);
    this._page = Math.min(this._page, pages - 1);
    const first = this._page * STEPS_SHOWN;
    const places = this._steps.slice(first, first + STEPS_SHOWN).map((_, place) => first + place);
    const fields = this._features.length === 1 ? this._grid(places) : this._table(places);
    this._panels[0].replaceChildren(...(pages > 1 ? [this._pager(pages, first, places.length)] : []), fields, this._lengths());
  }

  _grid(places) {
    return element("div", { class: "numbers" }, places.map((step) => element("label", {}, element("span", {}, `${step + 1}`), this._field(step, 0))));
  }

  _table(places) {
    const head = ["step", ...this._features.map((feature) => feature.name)].map((name) => element("th", { scope: "col" }, name));
    const line = (step) => element("tr", {}, element("th", { scope: "row" }, `${step + 1}`), this._features.map((_, feature) => element("td", {}, this._field(step, feature))));
    return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers of each step" },
      element("table", { class: "matrix" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, places.map(line))));
  }

  _field(step, feature) {
    const { name, domain } = this._features[feature];
    const value = this._steps[step][feature];
    const unit = roundStep((domain.high - domain.low) / 20);
    const field = element("input", {
      type: "number", step: "any", value: Number.isFinite(value) ? shortest(value) : "", "aria-label": `step ${step + 1}, ${name}`,
      input: () => {
        this._steps[step][feature] = field.value === "" ? MISSING : Number(field.value);
        mark(field, this._steps[step][feature], domain);
        this._tell();
      },
      keydown: (event) => nudge(event, field, unit),
    });
    mark(field, value, domain);
    return field;
  }

  _lengths() {
    const buttons = [["Add a step", () => this._steps.push([...this._steps.at(-1)])], ["Remove the last step", () => this._steps.pop()]];
    const [add, drop] = buttons.map(([name, change]) => element("button", { type: "button", class: "quiet", click: () => {
      change();
      this._page = Math.floor((this._steps.length - 1) / STEPS_SHOWN);
      this._fillNumbers();
      this._panels[0].querySelectorAll(".lengths button")[name === "Add a step" || this._steps.length === 1 ? 0 : 1].focus();
      this._tell();
    } }, name));
    drop.disabled = this._steps.length === 1;
    return element("div", { class: "lengths" }, add, drop, element("span", { class: "note" }, `${this._steps.length} step${this._steps.length > 1 ? "s" : ""}`));
  }

  _pager(pages, first, shown) {
    const turn = (by, name) => {
      const button = element("button", { type: "button", class: "quiet", click: () => {
        this._page += by;
        this._fillNumbers();
        const again = [...this._panels[0].querySelectorAll(".pager button")];
        (again.find((each) => each.textContent === name && !each.disabled) ?? again.find((each) => !each.disabled)).focus();
      } }, name);
      button.disabled = by < 0 ? this._page === 0 : this._page === pages - 1;
      return button;
    };
    return element("div", { class: "lengths pager" }, turn(-1, "Earlier steps"), turn(1, "Later steps"),
      element("span", { class: "note" }, `steps ${first + 1} to ${first + shown} of ${this._steps.length}`));
  }

  // Paste: the rows as text.

  _fillText() {
    const size = this._rows.reduce((sum, row) => sum + row.length, 0) * this._features.length;
    this._textNote = element("p", { class: "note", id: "text-note", role: "status" }, size > MOST_TEXT ? `The ${size} numbers are too many to show as text. Pasting replaces them.` : "");
    const area = element("textarea", {
      id: "text", rows: 7, spellcheck: "false", autocomplete: "off", "aria-describedby": "text-help text-note input-error",
      input: () => this._read(area.value, this._textNote),
    });
    area.value = size > MOST_TEXT ? "" : JSON.stringify(plain(this._rows));
    this._panels[1].replaceChildren(
      element("label", { for: "text" }, "Rows as text"), area,
      element("p", { class: "note", id: "text-help" }, `JSON, CSV, NumPy's text, or numbers between spaces.${this._features.length > 1 ? " A step a line, or columns with the features' names." : ""}`),
      this._textNote,
    );
  }

  _read(text, note) {
    note.textContent = "";
    try {
      const found = parse(text, this._features.map((feature) => feature.name));
      this._rows = found.rows;
      this._row = 0;
      note.textContent = found.note;
    } catch (error) {
      this._unread = true;
      this._wrong(error.message);
      return false;
    }
    this._tell();
    return true;
  }

  // Draw: one feature at a time.

  _fillDrawing() {
    const choice = element("select", { id: "feature", change: () => {
      this._feature = choice.selectedIndex;
      this._drawing.show(this._steps, this._feature, this._features[this._feature]);
    } }, this._features.map((feature) => element("option", {}, feature.name)));
    choice.selectedIndex = this._feature;
    const chooser = this._features.length > 1 ? [element("label", { for: "feature" }, "Feature"), choice] : [];
    this._panels[2].replaceChildren(element("div", { class: "controls" }, chooser), this._drawing.element);
    this._drawing.show(this._steps, this._feature, this._features[this._feature]);
  }

  // Upload: a file's text.

  _fillUpload() {
    const note = element("p", { class: "note", role: "status" });
    const field = element("input", { id: "file", type: "file", accept: ".csv,.tsv,.txt,.json,.ndjson,text/*,application/json", "aria-describedby": "file-help input-error", change: () => this._load(field.files[0], note) });
    const drop = element("div", {
      class: "drop",
      dragover: (event) => event.preventDefault(),
      drop: (event) => {
        event.preventDefault();
        this._load(event.dataTransfer.files[0], note);
      },
    }, element("label", { for: "file" }, "A file with rows"), field, element("p", { class: "note", id: "file-help" },
      `CSV, JSON or text. ${this._features.length > 1 ? `Columns ${listed(this._features.map((feature) => feature.name))}, a step a line; an empty line begins a row.` : "A column is a row; without a header, a line of several numbers is a row."} The file is read here and not stored.`));
    this._panels[3].replaceChildren(drop, note);
  }

  async _load(file, note) {
    if (file && this._read(await file.text(), note)) note.textContent = `${file.name}. ${note.textContent}`;
  }
}

function mark(field, value, { low, high }) {
  field.classList.toggle("out", !(value >= low && value < high));
}

/** An arrow key moves a number by a part of its domain, which the field's own steps of 1 do not suit. */
function nudge(event, field, unit) {
  const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  field.value = shortest((Number(field.value) || 0) + way * unit);
  field.dispatchEvent(new Event("input"));
}

/** Rows as a request has them: of one feature a step is a number. */
export function plain(rows) {
  const item = (value) => (Number.isFinite(value) ? Number(shortest(value)) : null);
  return rows.map((row) => row.map((step) => (step.length === 1 ? item(step[0]) : step.map(item))));
}
