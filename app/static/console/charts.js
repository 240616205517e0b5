// Draws the charts: a small line beside a figure, and a larger one with axes. Colours and dashes are the style sheet's.

import { h, mark, s, write } from "./dom.js";
import { age } from "./format.js";
import { t } from "./words.js";

const WIDTH = 100; // of the drawing's own units; it is stretched to its place, lines keep their thickness
const HEIGHT = 100;
const HEADROOM = 1.25;

/** A line without axes, to be read beside its figure. `update(points)` takes [time, value] pairs. */
export function sparkline(kind) {
  const area = s("path", { class: "area" });
  const line = s("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  const node = s(
    "svg",
    { class: `spark ${kind}`, viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  function update(points) {
    const most = Math.max(1, ...points.map(([, value]) => value));
    const path = pathOf(points, spanOf([points]), most * HEADROOM);
    mark(line, "d", path);
    mark(area, "d", path && `${path}V${HEIGHT}H0Z`);
    node.classList.toggle(
      "flat",
      points.every(([, value]) => value === 0),
    );
  }
  return { node, update };
}

/**
 * A chart of several lines over the time since the page was opened. `lines`: [{kind, label}]. `update(series)` takes the
 * points of each line, in order; `write` makes a text of a value, `tick` one for the axis.
 */
export function chart({ title, lines, write: textOf, tick }) {
  const paths = lines.map(({ kind }) => s("path", { class: `line ${kind}`, "vector-effect": "non-scaling-stroke" }));
  const rule = s("path", { class: "rule", "vector-effect": "non-scaling-stroke" });
  const grid = s("path", { class: "grid", "vector-effect": "non-scaling-stroke", d: "M0 0H100M0 50H100M0 100H100" });
  const drawing = s("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" }, grid, ...paths, rule);
  const [top, middle] = [h("span"), h("span")];
  const [since, now] = [h("span"), h("span", {}, t("chart.now"))];
  const values = lines.map(() => h("b"));
  const legend = h(
    "ul",
    { class: "legend" },
    lines.map(({ kind, label }, place) => h("li", {}, key(kind), label, " ", values[place])),
  );
  const node = h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title),
    legend,
    h(
      "div",
      { class: "plot" },
      h("div", { class: "y", "aria-hidden": "true" }, top, middle, h("span", {}, "0")),
      drawing,
    ),
    h("div", { class: "x", "aria-hidden": "true" }, since, now),
  );

  let series = lines.map(() => []);
  let pointed = null; // the time under the pointer

  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const [from, to] = spanOf(series);
    pointed = from + ((event.clientX - box.left) / box.width) * (to - from);
    draw();
  });
  drawing.addEventListener("pointerleave", () => {
    pointed = null;
    draw();
  });

  function draw() {
    const span = spanOf(series);
    const most = ceilingOf(Math.max(0, ...series.flat().map(([, value]) => value)));
    paths.forEach((path, place) => mark(path, "d", pathOf(series[place], span, most)));
    write(top, tick(most));
    write(middle, tick(most / 2));
    write(since, span[1] > span[0] ? `−${age(span[1] - span[0])}` : "");
    const shown = series.map((points) => (pointed === null ? points.at(-1) : nearest(points, pointed)));
    shown.forEach((point, place) => write(values[place], point ? textOf(point[1]) : "–"));
    write(now, pointed !== null && shown.some(Boolean) ? `−${age(span[1] - pointed)}` : t("chart.now"));
    mark(rule, "d", pointed === null ? "" : `M${xOf(pointed, span).toFixed(2)} 0V${HEIGHT}`);
    const said = lines.map(({ label }, place) => `${label} ${values[place].textContent}`);
    mark(drawing, "aria-label", `${title}: ${said.join(", ")}`);
  }

  return {
    node,
    update(points) {
      series = points;
      draw();
    },
  };
}

/** The sample of a line in a legend. */
function key(kind) {
  return s(
    "svg",
    { class: "key", viewBox: "0 0 20 6", "aria-hidden": "true" },
    s("path", { class: `line ${kind}`, d: "M0 3H20" }),
  );
}

/** First and last time of all points. */
function spanOf(series) {
  const times = series.filter((points) => points.length).flatMap((points) => [points[0][0], points.at(-1)[0]]);
  return times.length ? [Math.min(...times), Math.max(...times)] : [0, 0];
}

function xOf(time, [from, to]) {
  return to > from ? ((time - from) / (to - from)) * WIDTH : WIDTH;
}

function pathOf(points, span, most) {
  if (!points.length) return "";
  const places = points.map(([time, value]) => {
    return `${xOf(time, span).toFixed(2)} ${(HEIGHT - (value / most) * HEIGHT).toFixed(2)}`;
  });
  return `M${places.length === 1 ? `0 ${places[0].split(" ")[1]}L` : ""}${places.join("L")}`;
}

/** The next of 1, 2, 4, 6, 8, 10, 20, 40 … that is not less: half of each is a round number, too. */
function ceilingOf(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value);
}

function nearest(points, time) {
  return points.reduce(
    (best, each) => (best && Math.abs(best[0] - time) <= Math.abs(each[0] - time) ? best : each),
    null,
  );
}
