// Shows messages: their bodies as text, whatever they hold.

import { h } from "./dom.js";
import { indented } from "./exact.js";
import { bytes } from "./format.js";
import { button } from "./parts.js";
import { t } from "./words.js";

const PREVIEW = 160; // characters in a list
const INDENTED = 100_000; // characters: indented, a deep and wide one would grow a hundredfold
const FIRST = 20_000; // characters when a message is opened; more is drawn only if somebody asks

const PRIORITIES = { high: "priority.high", normal: "priority.normal", low: "priority.low" };

/** A priority of the API in the words of the page. */
export function priority(name) {
  return Object.hasOwn(PRIORITIES, name) ? t(PRIORITIES[name]) : name;
}

/** The text of a message as it lies in the queue: JSON as it was written, or what was pushed as another type. */
function textOf({ message, content_type: type }) {
  return type === undefined ? message : String(JSON.parse(message));
}

/** One line of it. */
function preview(message) {
  const text = textOf(message)
    .slice(0, PREVIEW * 4)
    .replace(/\s+/g, " ");
  return text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text;
}

/** All of it, with what else the message carries. */
export function whole(message) {
  const plain = textOf(message);
  const isJson = message.content_type === undefined;
  const text = isJson && plain.length <= INDENTED ? indented(plain) : plain;
  const body = h("pre", { tabIndex: 0, class: "body", "aria-label": t("message.body") }, text.slice(0, FIRST));
  const node = h("div", { class: "whole" }, facts(message), body);
  if (text.length > FIRST) {
    const more = button(t("message.all", { size: bytes(text.length) }), () => {
      body.textContent = text;
      more.remove();
    });
    node.append(more);
  }
  return node;
}

function facts(message) {
  const rows = [[t("message.id"), message.id]];
  if (message.content_type !== undefined) {
    rows.push([
      t("message.type"),
      message.encoding ? `${message.content_type} (${message.encoding})` : message.content_type,
    ]);
  }
  if (message.priority) rows.push([t("message.priority"), priority(message.priority)]);
  if (message.group) rows.push([t("message.group"), message.group]);
  if (message.traceparent) rows.push([t("message.trace"), message.traceparent]);
  for (const [name, value] of Object.entries(message.attributes ?? {})) rows.push([name, value]);
  return h(
    "dl",
    { class: "facts" },
    rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** A row that opens: `head` cells, and the whole message below once it is opened. */
export function openable(message, head) {
  const inside = h("div");
  const details = h("details", {}, h("summary", {}, head, h("code", { class: "preview" }, preview(message))), inside);
  details.addEventListener("toggle", () => inside.replaceChildren(...(details.open ? [whole(message)] : [])));
  return details;
}
