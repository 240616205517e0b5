// Parts that several views use: notices, dialogs, fields, and what says that there is trouble.

import { Problem } from "./api.js";
import { h, s } from "./dom.js";
import { t } from "./words.js";

const NOTICE_MS = 8000;
const SAID = {
  unreachable: "problem.unreachable",
  "rate-limited": "problem.rate-limited",
  "queue-not-found": "problem.queue-not-found",
  "queue-paused": "problem.queue-paused",
  "queue-full": "problem.queue-full",
  "message-not-found": "problem.message-not-found",
  "lease-lost": "problem.lease-lost",
  "precondition-failed": "problem.precondition-failed",
  "store-unavailable": "problem.store-unavailable",
  overloaded: "problem.overloaded",
  internal: "problem.internal",
};
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

/** What a refusal says: in the words of the page if it is a common one, else in the API's. */
export function said(problem) {
  if (Object.hasOwn(SAID, problem.code)) return t(SAID[problem.code]);
  return problem.detail || t("problem.internal");
}

/** Tells something at the foot of the page; trouble stays until it is closed. */
export function notify(text, { isTrouble = false } = {}) {
  const close = h("button", { type: "button", class: "plain", "aria-label": t("notice.close") }, icon("close"));
  const notice = h("p", { class: isTrouble ? "notice trouble" : "notice" }, h("span", {}, text), close);
  close.addEventListener("click", () => notice.remove());
  document.getElementById("notices").append(notice);
  if (!isTrouble) setTimeout(() => notice.remove(), NOTICE_MS);
}

/**
 * Does `work` with `pressed`, and the buttons beside it, out of use; tells of a refusal. Gives what `work` gives, undefined
 * if it was refused.
 */
export async function attempt(pressed, work) {
  if (isBusy(pressed)) return undefined;
  const group = pressed ? (pressed.closest(".actions, .tools")?.querySelectorAll("button") ?? [pressed]) : [];
  for (const each of group) each.setAttribute("aria-disabled", "true"); // they keep the focus
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 401) notify(said(error), { isTrouble: true });
    return undefined;
  } finally {
    for (const each of group) each.removeAttribute("aria-disabled");
  }
}

function isBusy(node) {
  return node?.getAttribute("aria-disabled") === "true";
}

export function button(text, onClick, kind = "") {
  const node = h("button", { type: "button", class: kind }, text);
  node.addEventListener("click", () => isBusy(node) || onClick(node));
  return node;
}

let ids = 0;

/** A labelled input, select or textarea; `hint` stands below it. `fail(text)` says what is wrong with it, "" nothing. */
export function field(label, control, hint = "") {
  const id = `f${++ids}`;
  control.id = id;
  const said = h("span", { class: "hint", id: `${id}-hint` }, hint);
  const fault = h("span", { class: "fault", id: `${id}-fault` });
  control.setAttribute("aria-describedby", `${said.id} ${fault.id}`);
  const node = h("div", { class: "field" }, h("label", { for: id }, label), control, hint ? said : null, fault);
  function fail(text) {
    fault.textContent = text;
    control.setAttribute("aria-invalid", String(Boolean(text)));
  }
  return { node, control, fail };
}

export function select(options, chosen) {
  const node = h(
    "select",
    {},
    options.map(([value, text]) => h("option", { value }, text)),
  );
  if (chosen !== undefined) node.value = chosen;
  return node;
}

/**
 * Asks before something is done. `mustType`: a text that has to be typed first; `fields`: nodes to show above it.
 * Gives whether it was confirmed.
 */
export function ask({ title, text, confirm, mustType = null, fields = [], isGrave = false }) {
  const typed =
    mustType && field(t("confirm.type", { name: mustType }), h("input", { autocomplete: "off", spellcheck: "false" }));
  const yes = h("button", { type: "submit", class: isGrave ? "grave" : "first" }, confirm);
  const form = h(
    "form",
    {},
    h("h2", { id: "ask-title" }, title),
    text ? h("p", {}, text) : null,
    fields,
    typed?.node,
    h(
      "div",
      { class: "actions" },
      button(t("confirm.cancel"), () => dialog.close()),
      yes,
    ),
  );
  const dialog = h("dialog", { "aria-labelledby": "ask-title" }, form);
  return new Promise((resolve) => {
    let isSure = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (typed && typed.control.value !== mustType) {
        typed.fail(t("confirm.mismatch"));
        typed.control.focus();
        return;
      }
      isSure = true;
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isSure);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A view's word for that there is nothing to show. */
export function empty(text, ...more) {
  return h("div", { class: "empty" }, h("p", {}, text), ...more);
}
