// The small drawings on buttons.

import { s } from "./dom.js";

const DRAWN = {
  sun: "M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9l1.1 1.1M12 12l1.1 1.1M2.9 13.1l1.1-1.1M12 4l1.1-1.1",
  moon: "M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z",
  out: "M6 2.5H3v11h3M10 4.8 13.2 8 10 11.2M13 8H6",
  close: "M4 4l8 8M12 4l-8 8",
};

/** A small drawing, without a name of its own. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: DRAWN[name] }));
}
