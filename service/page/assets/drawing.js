/** A canvas on which a row is drawn: by a pointer, or by the arrow keys. */

import { colour, onNewColours } from "./colours.js";
import { element } from "./dom.js";
import { largest, least, readable, roundStep } from "./numbers.js";

const HEIGHT = 220;
const EDGE = 14;
const ROOM = 0.15; // above and below the domain, so that values outside of it can be drawn
const FINE = 100; // parts of the domain that an arrow key moves
const PAGE = 10; // times as much with Page up and Page down

export class Drawing {
  /** `changed`: called after each stroke. */
  constructor(changed) {
    this._changed = changed;
    this._step = 0;
    this.canvas = element("canvas", {
      class: "drawing-board",
      tabindex: 0,
      role: "slider",
      "aria-orientation": "vertical",
      "aria-describedby": "drawing-help",
      keydown: (event) => this._key(event),
      pointerdown: (event) => this._press(event),
      pointermove: (event) => this._stroke(event),
      pointerup: () => this._lift(),
      pointercancel: () => this._lift(),
    });
    this.element = element("div", {}, this.canvas, element("p", { class: "note", id: "drawing-help" },
      "Draw with a mouse, pen or finger. By keyboard: left and right choose a step; up, down, Page up and Page down move it."));
    onNewColours(() => this._paint());
    new ResizeObserver(() => this._paint()).observe(this.canvas);
  }

  /** `steps`: the row, changed in place; `feature`: its place in a step; `quantity`: its name and domain. */
  show(steps, feature, quantity) {
    Object.assign(this, { _steps: steps, _feature: feature, _quantity: quantity });
    this._step = Math.min(this._step, steps.length - 1);
    this._describe();
    this._paint();
  }

  get _limits() {
    const { low, high } = this._quantity.domain;
    const values = this._steps.map((step) => step[this._feature]).filter(Number.isFinite);
    const room = (high - low) * ROOM;
    return [least([low - room, ...values]), largest([high + room, ...values])];
  }

  get _unit() {
    const { low, high } = this._quantity.domain;
    return roundStep((high - low) / FINE);
  }

  _key(event) {
    const last = this._steps.length - 1;
    const moves = { ArrowLeft: this._step - 1, ArrowRight: this._step + 1, Home: 0, End: last };
    const changes = { ArrowUp: 1, ArrowDown: -1, PageUp: PAGE, PageDown: -PAGE };
    if (event.key in moves) this._step = Math.min(last, Math.max(0, moves[event.key]));
    else if (event.key in changes) this._put(this._step, (this._steps[this._step][this._feature] || 0) + changes[event.key] * this._unit);
    else return;
    event.preventDefault();
    this._describe();
    this._paint();
    if (event.key in changes) this._changed();
  }

  _press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this._before = null;
    this._drawing = true;
    this._stroke(event);
  }

  _stroke(event) {
    if (!this._drawing) return;
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - EDGE) / Math.max(1, box.width - 2 * EDGE);
    const last = this._steps.length - 1;
    const step = Math.min(last, Math.max(0, Math.round(share * last)));
    const [low, high] = (this._held ??= this._limits);
    const value = high - ((event.clientY - box.top) / box.height) * (high - low);
    const from = this._before ?? { step, value };
    const between = Math.abs(step - from.step) || 1;
    for (let part = 0; part <= between; part += 1) {
      const at = from.step + Math.round((part / between) * (step - from.step));
      this._put(at, from.value + (part / between) * (value - from.value));
    }
    this._before = { step, value };
    this._step = step;
    this._describe();
    this._paint();
  }

  _lift() {
    if (!this._drawing) return;
    this._drawing = false;
    this._held = null;
    this._paint();
    this._changed();
  }

  _put(step, value) {
    const unit = this._unit / 10;
    this._steps[step][this._feature] = Number((Math.round(value / unit) * unit).toPrecision(6));
  }

  _describe() {
    const [low, high] = this._limits;
    const value = this._steps[this._step][this._feature];
    const said = { "aria-label": `Draw ${this._quantity.name}`, "aria-valuemin": low, "aria-valuemax": high, "aria-valuenow": value };
    for (const [name, content] of Object.entries({ ...said, "aria-valuetext": `step ${this._step + 1} of ${this._steps.length}: ${readable(value)}` })) {
      this.canvas.setAttribute(name, content);
    }
  }

  _paint() {
    const { clientWidth: width } = this.canvas;
    if (!width || !this._steps) return;
    const scale = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * scale, height: HEIGHT * scale });
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const [low, high] = this._held ?? this._limits;
    const x = (step) => EDGE + (this._steps.length > 1 ? (step / (this._steps.length - 1)) * (width - 2 * EDGE) : 0);
    const y = (value) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
    const { domain } = this._quantity;
    pen.fillStyle = colour("band");
    pen.fillRect(0, y(domain.high), width, y(domain.low) - y(domain.high));
    pen.fillStyle = colour("muted");
    pen.font = "12px system-ui, sans-serif";
    pen.fillText(readable(domain.high), 4, y(domain.high) - 4);
    pen.fillText(readable(domain.low), 4, y(domain.low) + 14);
    pen.strokeStyle = pen.fillStyle = colour("input");
    pen.lineWidth = 2;
    pen.beginPath();
    this._steps.forEach((step, place) => pen.lineTo(x(place), y(step[this._feature])));
    pen.stroke();
    this._steps.forEach((step, place) => this._dot(pen, x(place), y(step[this._feature]), place === this._step));
  }

  _dot(pen, x, y, chosen) {
    if (this._steps.length > 120 && !chosen) return;
    pen.beginPath();
    pen.fillStyle = colour(chosen ? "output" : "input");
    pen.arc(x, y, chosen ? 7 : 4, 0, 2 * Math.PI);
    pen.fill();
  }
}
