/** Line charts by uPlot, in the page's colours. A table beside each chart has the same numbers. */

import { colour, onNewColours } from "./colours.js";
import { element } from "./dom.js";
import { readable } from "./numbers.js";

/* global uPlot */

const HEIGHT = 230;

/**
 * A chart in `place`. `x`: numbers; `series`: `{ label, values, colour, dash, bars }`, with null where there is no value;
 * `band`: `[low, high]` is shaded; `label`: what a screen reader hears; `zero`: whether the y axis begins at 0.
 */
export function chart(place, { x, series, label, xLabel = "step", yLabel = "value", band = null, height = HEIGHT, zero = false }) {
  const frame = element("div", { class: "chart", role: "img", "aria-label": label });
  const readout = element("p", { class: "readout", "aria-hidden": "true" }); // the table has the same numbers for all
  place.append(element("div", { class: "above" }, legend(series), readout), frame);
  const pointed = ({ cursor: { idx } }) => {
    const known = idx === null || idx === undefined ? [] : series.filter(({ values }) => values[idx] !== null && values[idx] !== undefined);
    readout.textContent = known.length ? `${xLabel} ${x[idx]}: ${known.map(({ values }) => readable(values[idx])).join(" | ")}` : "";
  };
  let plot = null;
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(options(frame.clientWidth, height, { x, series, xLabel, yLabel, band, zero, pointed }), [x, ...series.map((each) => each.values)], frame);
  };
  const watch = new ResizeObserver(() => {
    if (!frame.isConnected) {
      watch.disconnect();
      forget();
      plot?.destroy();
    } else if (!plot) draw();
    else if (plot.width !== frame.clientWidth) plot.setSize({ width: frame.clientWidth, height });
  });
  watch.observe(frame);
  const forget = onNewColours(draw);
}

function legend(series) {
  const item = ({ label, colour: name, dash }) =>
    element("li", {}, element("span", { class: `swatch ${name}${dash ? " dashed" : ""}`, "aria-hidden": "true" }), label);
  return element("ul", { class: "legend" }, series.map(item));
}

function options(width, height, { x, series, xLabel, yLabel, band, zero, pointed }) {
  const axis = (label, size) => ({
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    labelSize: 18,
    label,
    size,
  });
  const whole = { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000] };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: false, range: [x[0] - 0.5, x.at(-1) + 0.5] }, y: { range: (_plot, low, high) => padded(low, high, zero) } },
    axes: [{ ...axis(xLabel, 34), ...whole }, { ...axis(yLabel, 58), values: (_plot, ticks) => ticks.map(readable) }],
    series: [{}, ...series.map(line)],
    hooks: { drawClear: band ? [(plot) => shade(plot, band)] : [], setCursor: [pointed] },
  };
}

function padded(low, high, zero) {
  if (zero) return [0, high > 0 ? high * 1.1 : 1];
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - room, high + room];
}

function line({ colour: name, dash, values, bars }) {
  const few = values.filter((value) => value !== null).length <= 80;
  const common = { stroke: colour(name), width: 2, spanGaps: false };
  if (bars) return { ...common, fill: colour(name), paths: uPlot.paths.bars({ size: [0.5, 40] }), points: { show: false } };
  return { ...common, dash: dash ? [6, 5] : undefined, points: { show: few, size: 7, fill: dash ? colour("card") : colour(name) } };
}

function shade(plot, [low, high]) {
  const { left, top, width, height } = plot.bbox;
  const [upper, lower] = [high, low].map((value) => Math.min(top + height, Math.max(top, plot.valToPos(value, "y", true))));
  plot.ctx.save();
  plot.ctx.fillStyle = colour("band");
  plot.ctx.fillRect(left, upper, width, lower - upper);
  plot.ctx.restore();
}
