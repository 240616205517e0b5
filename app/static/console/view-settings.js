// The settings of a queue: shown to whoever sees its figures, to be changed by whoever may.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { notify, said } from "./notices.js";
import { attempt, button, empty, field, showFaults } from "./parts.js";
import { may } from "./rights.js";
import { t } from "./words.js";

const FIELDS = [
  { name: "lease", label: "setting.lease", unit: "unit.seconds" },
  { name: "max_attempts", label: "setting.max_attempts" },
  { name: "backoff.base", label: "setting.backoff.base", unit: "unit.seconds" },
  { name: "backoff.factor", label: "setting.backoff.factor" },
  { name: "backoff.max", label: "setting.backoff.max", unit: "unit.seconds" },
  { name: "ttl", label: "setting.ttl", unit: "unit.seconds", isOptional: true },
  { name: "max_messages", label: "setting.max_messages", isOptional: true },
  { name: "max_bytes", label: "setting.max_bytes", unit: "unit.bytes", isOptional: true },
  { name: "dedup_window", label: "setting.dedup_window", unit: "unit.seconds" },
  { name: "dead_max_messages", label: "setting.dead_max_messages" },
  { name: "dead_ttl", label: "setting.dead_ttl", unit: "unit.seconds" },
];

/** Shows the settings of `queue` in `part`; to whoever may change but not see them, an empty form. */
export function settingsView(part, { queue, changed, signal }) {
  const [maySee, mayManage] = [may("count", queue), may("manage", queue)];
  let known = null;
  let tag = null;
  load();

  async function load() {
    fill(part, []); // the form of another part, or of other settings, shall not be used meanwhile
    if (maySee) {
      try {
        const answer = await api.queue(queue, signal);
        [known, tag] = [answer.data.settings, answer.tag];
      } catch (error) {
        if (!signal.aborted) refuse(error);
        return;
      }
      if (signal.aborted) return;
    }
    draw();
  }

  function refuse(error) {
    if (!(error instanceof api.Problem)) throw error;
    if (error.status !== 401) fill(part, empty(said(error), button(t("enter.again"), load, "first")));
  }

  function draw() {
    const fields = Object.fromEntries(FIELDS.map((each) => [each.name, fieldOf(each, known, !mayManage)]));
    const submit = h("button", { type: "submit", class: "first" }, t("settings.save"));
    // The browser only asks for numbers; the server knows their bounds, and says which one was passed.
    const form = h(
      "form",
      { class: "card" },
      h("h2", {}, t("settings.title")),
      known === null ? h("p", { class: "hint" }, t("settings.unseen")) : null,
      mayManage ? null : h("p", { class: "hint" }, t("settings.read-only")),
      h(
        "div",
        { class: "pair" },
        Object.values(fields).map(({ node }) => node),
      ),
      mayManage ? h("div", { class: "actions" }, button(t("settings.reload"), load), submit) : null,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      save(submit, fields);
    });
    fill(part, form);
  }

  async function save(submit, fields) {
    for (const each of Object.values(fields)) each.fail("");
    const patch = patchOf(fields);
    if (Object.keys(patch).length === 0) {
      notify(t("settings.same"));
      return;
    }
    const sent = textsOf(fields);
    await attempt(submit, async () => {
      try {
        const answer = await api.change(queue, patch, tag);
        notify(t("settings.saved"));
        if (maySee) [known, tag] = [answer.data.settings, answer.tag];
        for (const [name, { control }] of Object.entries(fields)) {
          if (control.value.trim() === sent[name]) control.value = get(known, name) ?? ""; // else it was typed since
        }
        changed();
      } catch (error) {
        if (!showFaults(error, fields)) throw error;
      }
    });
  }

  /** What differs from what is known, as a merge patch; an empty field gives the default back. */
  function patchOf(fields) {
    const patch = {};
    for (const [name, text] of Object.entries(textsOf(fields))) {
      const value = text === "" ? null : Number(text);
      if (value === (get(known, name) ?? null)) continue;
      const [first, second] = name.split(".");
      if (second) patch[first] = { ...patch[first], [second]: value };
      else patch[first] = value;
    }
    return patch;
  }
}

function fieldOf({ name, label, unit, isOptional }, known, isReadOnly) {
  const control = h("input", { type: "number", step: "any", inputmode: "decimal", readOnly: isReadOnly });
  control.value = get(known, name) ?? "";
  if (isOptional && known) control.placeholder = t("setting.none");
  return field(unit ? `${t(label)} (${t(unit)})` : t(label), control);
}

function textsOf(fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, { control }]) => [name, control.value.trim()]));
}

/** The setting of that name; undefined if the settings are not known. */
function get(settings, name) {
  return name.split(".").reduce((value, part) => value?.[part], settings);
}
