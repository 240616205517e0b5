// The audit log: who did what, newest first.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { count, moment } from "./format.js";
import { pager } from "./pager.js";
import { empty, field } from "./parts.js";
import { isAdmin } from "./rights.js";
import { t } from "./words.js";

const LIMIT = 50;
const OUTCOMES = { done: "outcome.done", refused: "outcome.refused", unanswered: "outcome.unanswered" };

/** Shows the log in `main` until `signal` aborts. */
export function auditView(main, signal) {
  const head = h("div", { class: "head" }, h("h1", {}, t("audit.title")));
  if (!isAdmin()) {
    fill(main, head, empty(t("audit.forbidden")));
    return;
  }
  const asked = {
    actor: field(t("audit.actor"), h("input", { type: "search", autocomplete: "off", maxlength: "128" })),
    action: field(t("audit.action"), h("input", { type: "search", autocomplete: "off", maxlength: "128" })),
    target: field(t("audit.target"), h("input", { type: "search", autocomplete: "off", maxlength: "128" })),
  };
  const submit = h("button", { type: "submit" }, t("audit.find"));
  const form = h(
    "form",
    { class: "tools fields" },
    Object.values(asked).map(({ node }) => node),
    submit,
  );
  const body = h("tbody", { role: "rowgroup" });
  const columns = [
    t("audit.at"),
    t("audit.actor"),
    t("audit.action"),
    t("audit.target"),
    t("audit.outcome"),
    t("audit.detail"),
    t("audit.address"),
  ];
  const table = h(
    "table",
    { class: "audit", role: "table" },
    h("caption", { class: "unseen" }, t("audit.title")),
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        columns.map((each) => h("th", { role: "columnheader", scope: "col" }, each)),
      ),
    ),
    body,
  );
  const nothing = h("div");
  const pages = pager({
    limit: LIMIT,
    ask: (where, loading) => {
      const filter = Object.entries(asked).map(([name, { control }]) => [name, control.value.trim()]);
      return api.audit({ ...Object.fromEntries(filter), ...where }, loading);
    },
    draw,
    instead,
    words: [t("page.newer"), t("page.older")],
    signal,
  });
  fill(main, head, form, table, nothing, pages.node);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pages.start();
  });
  pages.start();

  function instead(node) {
    fill(body, []);
    table.hidden = true;
    fill(nothing, node);
  }

  function draw({ entries }) {
    fill(
      body,
      entries.map((each) => row(each, columns)),
    );
    table.hidden = entries.length === 0;
    fill(nothing, entries.length ? [] : empty(t("audit.none")));
    return entries.length;
  }
}

function row(entry, columns) {
  const word = Object.hasOwn(OUTCOMES, entry.outcome) ? t(OUTCOMES[entry.outcome]) : entry.outcome;
  const outcome = entry.times > 1 ? `${word} × ${count(entry.times)}` : word;
  const cells = [moment(entry.at), entry.actor, entry.action, entry.target, outcome, entry.detail, entry.address];
  return h(
    "tr",
    { role: "row" },
    cells.map((text, place) => {
      const shown = place === 4 ? h("span", { class: entry.outcome === "done" ? "badge" : "badge dead" }, text) : text;
      return h("td", { role: "cell", "data-label": columns[place] }, shown);
    }),
  );
}
