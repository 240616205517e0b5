// Parts that several views use: buttons, dialogs, fields, badges, and what says that there is trouble.

import { Problem } from "./api.js";
import { h, keyed, write } from "./dom.js";
import { brief } from "./format.js";
import { notify, said } from "./notices.js";
import { t } from "./words.js";

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

/**
 * A labelled input, select or textarea; `hint` stands below it. `fail(text)` says what is wrong with it, "" nothing;
 * `refuse(text)` leads there, too.
 */
export function field(label, control, hint = "") {
  const id = `f${++ids}`;
  control.id = id;
  const help = h("span", { class: "hint", id: `${id}-hint` }, hint);
  const fault = h("span", { class: "fault", id: `${id}-fault` });
  control.setAttribute("aria-describedby", `${help.id} ${fault.id}`);
  const node = h("div", { class: "field" }, h("label", { for: id }, label), control, hint ? help : null, fault);
  function fail(text) {
    fault.textContent = text;
    control.setAttribute("aria-invalid", String(Boolean(text)));
  }
  function refuse(text) {
    fail(text);
    control.focus();
  }
  return { node, control, fail, refuse };
}

/** Puts the faults of a refusal beside the `fields` that they are about; gives whether there were some. */
export function showFaults(error, fields) {
  const found = (error.errors ?? []).flatMap(({ pointer, parameter, detail }) => {
    const name = (pointer ?? parameter ?? "").replace(/^\//, "").replaceAll("/", ".");
    return Object.hasOwn(fields, name) ? [[fields[name], detail]] : [];
  });
  for (const [each, detail] of found) each.refuse(detail);
  if (found.length === 0 && error.code === "malformed" && fields.message) fields.message.refuse(said(error));
  else if (found.length === 0) return false;
  return true;
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

const PAUSED = { push: "paused.push", pop: "paused.pop" };

/** Says in `node` which operations are paused, and until when. */
export function showPauses(node, paused) {
  keyed(
    node,
    Object.entries(paused).sort(),
    ([name]) => name,
    () => h("span", { class: "badge paused" }),
    (badge, [name, { until }]) => {
      const what = t(PAUSED[name]);
      write(badge, until ? t("paused.until", { what, end: brief(until) }) : what);
    },
  );
}
