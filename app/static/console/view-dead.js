// Dead letters: why they died, and the way back into their queue.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { ago, count, moment } from "./format.js";
import { openable } from "./messages.js";
import { ask, attempt, button, empty, notify, select } from "./parts.js";
import { may } from "./rights.js";
import { t } from "./words.js";

const LIMIT = 25;
const REASONS = { "max-attempts": "reason.max-attempts", rejected: "reason.rejected", expired: "reason.expired" };

/** Shows the dead letters of `queue` in `part`; `changed` is called when some went. */
export function deadView(part, { queue, changed }) {
  const mayManage = may("manage", queue);
  const reason = select([["", t("reason.any")], ...Object.entries(REASONS).map(([value, label]) => [value, t(label)])]);
  reason.setAttribute("aria-label", t("dead.reason"));
  const again = button(t("browse.again"), () => load([""]));
  const some = button(t("dead.redrive-some", { n: 0 }), onSome);
  const all = button(t("dead.redrive-all"), onAll, "first");
  const list = h("ul", { class: "messages" });
  const where = h("span", { class: "where" });
  const back = button(t("page.back"), () => load(cursors.slice(0, -1)));
  const forward = button(t("page.forward"), () => load([...cursors, next]));
  const pages = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);
  fill(part, h("div", { class: "tools" }, reason, again, mayManage ? [some, all] : null), list, pages);
  reason.addEventListener("change", () => load([""]));

  const controller = new AbortController();
  const picked = new Set();
  let cursors = [""];
  let next = null;
  let held = 0;
  load(cursors);
  return () => controller.abort();

  function load(wanted) {
    return attempt(again, async () => {
      const query = { reason: reason.value, limit: LIMIT, cursor: wanted.at(-1) };
      let page;
      try {
        page = await api.dead(queue, query, controller.signal);
      } catch (error) {
        if (controller.signal.aborted) return;
        if (error.code !== "queue-not-found") throw error;
        page = { messages: [], next_cursor: null };
      }
      cursors = wanted;
      next = page.next_cursor;
      picked.clear();
      draw(page.messages);
    });
  }

  function draw(letters) {
    const from = (cursors.length - 1) * LIMIT;
    held = letters.length;
    fill(list, held ? letters.map(row) : h("li", {}, empty(t("dead.none"))));
    where.textContent = held ? t("browse.where", { from: count(from + 1), to: count(from + held) }) : "";
    back.disabled = cursors.length === 1;
    forward.disabled = next === null;
    pages.hidden = cursors.length === 1 && next === null;
    drawPicked();
  }

  function drawPicked() {
    some.textContent = t("dead.redrive-some", { n: count(picked.size) });
    some.disabled = picked.size === 0;
    all.disabled = held === 0;
  }

  function row(letter) {
    const line = h(
      "span",
      { class: "line" },
      h("span", { title: moment(letter.died_at) }, t("dead.died", { ago: ago(letter.died_at) })),
      h("span", { class: "badge dead" }, t(REASONS[letter.reason])),
      h("span", {}, t("message.attempts", { n: count(letter.attempts) })),
      letter.error ? h("span", { class: "error" }, letter.error) : null,
    );
    const details = openable(letter, line);
    if (!mayManage) return h("li", {}, details);
    const pick = h("input", { type: "checkbox", "aria-label": t("dead.pick", { id: letter.id }) });
    pick.addEventListener("change", () => {
      if (pick.checked) picked.add(letter.id);
      else picked.delete(letter.id);
      drawPicked();
    });
    const drop = button(t("dead.drop"), (pressed) => onDrop(pressed, letter.id), "risky small");
    return h("li", { class: "with-actions" }, pick, details, drop);
  }

  async function onSome(pressed) {
    await redrive(pressed, { ids: [...picked] });
  }

  async function onAll(pressed) {
    const which = reason.value ? t(REASONS[reason.value]) : t("reason.any");
    const isSure = await ask({
      title: t("dead.redrive-title", { queue }),
      text: t("dead.redrive-text", { which }),
      confirm: t("dead.redrive"),
    });
    if (isSure) await redrive(pressed, reason.value ? { reason: reason.value } : {});
  }

  async function redrive(pressed, which) {
    await attempt(pressed, async () => {
      const { moved, remaining } = await api.redrive(queue, which);
      notify(t("dead.redriven", { moved: count(moved), remaining: count(remaining) }));
    });
    await after();
  }

  async function onDrop(pressed, id) {
    if (
      !(await ask({
        title: t("dead.drop-title"),
        text: t("dead.drop-text", { id }),
        confirm: t("dead.drop"),
        isGrave: true,
      }))
    )
      return;
    await attempt(pressed, async () => {
      await api.drop(queue, id);
      notify(t("dead.dropped"));
    });
    await after();
  }

  async function after() {
    changed();
    await load([""]);
    again.focus(); // the row that had the focus may be gone
  }
}
