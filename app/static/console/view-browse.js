// A look at messages in one state, a page at a time; nothing changes by it.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { ago, count, moment } from "./format.js";
import { openable, priority } from "./messages.js";
import { pager } from "./pager.js";
import { button, empty, select } from "./parts.js";
import { t } from "./words.js";

const LIMIT = 25;

/** Shows the messages of `queue` in `part`. */
export function browseView(part, { queue, signal }) {
  const state = select([
    ["ready", t("state.ready")],
    ["delayed", t("state.delayed")],
    ["leased", t("state.leased")],
  ]);
  state.setAttribute("aria-label", t("browse.state"));
  const list = h("ul", { class: "messages" });
  const pages = pager({
    limit: LIMIT,
    ask: (where, loading) => api.browse(queue, { state: state.value, ...where }, loading),
    draw,
    instead: (node) => fill(list, node ? h("li", {}, node) : []),
    words: [t("page.back"), t("page.forward")],
    signal,
  });
  const again = button(t("browse.again"), pages.first);
  const hint = h("span", { class: "hint" }, t("browse.hint"));
  fill(part, h("div", { class: "tools" }, state, again, hint), list, pages.node);
  state.addEventListener("change", pages.start);
  pages.start();

  function draw({ messages }) {
    const rows = messages.map((each) => h("li", {}, openable(each, head(each))));
    fill(list, rows.length ? rows : h("li", {}, empty(t("browse.none"))));
    return rows.length;
  }
}

function head(message) {
  const due = message.due_at ?? message.lease_expires_at;
  return h(
    "span",
    { class: "line" },
    h("span", { title: moment(message.pushed_at) }, ago(message.pushed_at)),
    message.attempts ? h("span", {}, t("message.attempts", { n: count(message.attempts) })) : null,
    message.priority && message.priority !== "normal" ? h("span", { class: "badge" }, priority(message.priority)) : null,
    message.group ? h("span", { class: "badge" }, message.group) : null,
    due ? h("span", { title: moment(due) }, `→ ${ago(due)}`) : null,
  );
}
