// A look at messages in one state, a page at a time; nothing changes by it.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { ago, count, moment } from "./format.js";
import { openable } from "./messages.js";
import { attempt, button, empty, select } from "./parts.js";
import { t } from "./words.js";

const LIMIT = 25;

/** Shows the messages of `queue` in `part`. */
export function browseView(part, { queue }) {
  const state = select([
    ["ready", t("state.ready")],
    ["delayed", t("state.delayed")],
    ["leased", t("state.leased")],
  ]);
  state.setAttribute("aria-label", t("browse.state"));
  const again = button(t("browse.again"), () => load([""]));
  const list = h("ul", { class: "messages" });
  const where = h("span", { class: "where" });
  const back = button(t("page.back"), () => load(cursors.slice(0, -1)));
  const forward = button(t("page.forward"), () => load([...cursors, next]));
  const pages = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);
  fill(part, h("div", { class: "tools" }, state, again, h("span", { class: "hint" }, t("browse.hint"))), list, pages);
  state.addEventListener("change", () => load([""]));

  const controller = new AbortController();
  let cursors = [""]; // of the pages up to this one
  let next = null;
  load(cursors);
  return () => controller.abort();

  function load(wanted) {
    return attempt(again, async () => {
      const query = { state: state.value, limit: LIMIT, cursor: wanted.at(-1) };
      let page;
      try {
        page = await api.browse(queue, query, controller.signal);
      } catch (error) {
        if (controller.signal.aborted) return;
        if (error.code !== "queue-not-found") throw error;
        page = { messages: [], next_cursor: null };
      }
      cursors = wanted;
      next = page.next_cursor;
      draw(page.messages);
    });
  }

  function draw(messages) {
    const from = (cursors.length - 1) * LIMIT;
    fill(
      list,
      messages.length
        ? messages.map((each) => h("li", {}, openable(each, head(each))))
        : h("li", {}, empty(t("browse.none"))),
    );
    where.textContent = messages.length
      ? t("browse.where", { from: count(from + 1), to: count(from + messages.length) })
      : "";
    back.disabled = cursors.length === 1;
    forward.disabled = next === null;
    pages.hidden = cursors.length === 1 && next === null;
  }
}

function head(message) {
  const due = message.due_at ?? message.lease_expires_at;
  return h(
    "span",
    { class: "line" },
    h("span", { title: moment(message.pushed_at) }, ago(message.pushed_at)),
    message.attempts ? h("span", {}, t("message.attempts", { n: count(message.attempts) })) : null,
    message.priority && message.priority !== "normal" ? h("span", { class: "badge" }, message.priority) : null,
    message.group ? h("span", { class: "badge" }, message.group) : null,
    due ? h("span", { title: moment(due) }, `→ ${ago(due)}`) : null,
  );
}
