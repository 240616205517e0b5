// Writes numbers, times and sizes as people read them, in the language chosen.

import { now } from "./clock.js";
import { language, t } from "./words.js";

const formats = new Map();

function format(kind, options) {
  const key = `${kind.name} ${language()} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new kind(language(), options));
  return formats.get(key);
}

/** 12,345; a dash where there is nothing to say. */
export function count(value) {
  return value === null || value === undefined
    ? "–"
    : format(Intl.NumberFormat, { useGrouping: "always" }).format(value);
}

/** 1.2M, for the axis of a chart. */
export function short(value) {
  return format(Intl.NumberFormat, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** Messages a second. */
export function rate(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const digits = value > 0 && value < 9.95 ? 1 : 0;
  return format(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** Seconds as 12 s, 90 s, 5 min, 26 h, 3 d: one unit, at least two of it once it is long. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const [unit, size] = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
  ].find(([, size]) => whole >= 2 * size) ?? ["s", 1];
  return `${count(Math.floor(whole / size))} ${unit}`;
}

/** Bytes as 512 B, 1.5 kB, 20 MB. */
export function bytes(value) {
  for (const [unit, size] of [
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ]) {
    if (value >= size) return `${format(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(value / size)} ${unit}`;
  }
  return `${value} B`;
}

/** A time of the API, on this machine's clock. */
export function moment(timestamp) {
  return format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(timestamp));
}

/** The same in as few characters as it takes. */
export function brief(timestamp) {
  return format(Intl.DateTimeFormat, { dateStyle: "short", timeStyle: "short" }).format(new Date(timestamp));
}

/** How long ago a time of the API was, or how far ahead it lies. */
export function ago(timestamp) {
  const seconds = (now() - Date.parse(timestamp)) / 1000;
  return seconds >= 0 ? t("time.ago", { age: age(seconds) }) : t("time.ahead", { age: age(-seconds) });
}
