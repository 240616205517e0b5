// Dead letters: why they died, and the way back into their queue.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { ago, count, moment } from "./format.js";
import { openable } from "./messages.js";
import { notify } from "./notices.js";
import { pager } from "./pager.js";
import { ask, attempt, button, empty, select } from "./parts.js";
import { may } from "./rights.js";
import { t } from "./words.js";

const LIMIT = 25;
const REASONS = { "max-attempts": "reason.max-attempts", rejected: "reason.rejected", expired: "reason.expired" };

/** Shows the dead letters of `queue` in `part`, or only their redrive; `changed` is called when some went. */
export function deadView(part, { queue, changed, signal }) {
  const [mayPeek, mayManage] = [may("peek", queue), may("manage", queue)];
  const reason = select([["", t("reason.any")], ...Object.entries(REASONS).map(([value, label]) => [value, t(label)])]);
  reason.setAttribute("aria-label", t("dead.reason"));
  const list = h("ul", { class: "messages" });
  const pages = pager({
    limit: LIMIT,
    ask: (where, loading) => api.dead(queue, { reason: reason.value, ...where }, loading),
    draw,
    instead,
    words: [t("page.back"), t("page.forward")],
    signal,
  });
  const again = button(t("browse.again"), pages.first);
  const some = button(t("dead.redrive-some", { n: 0 }), onSome);
  const all = button(t("dead.redrive-all"), onAll, "first");
  const picked = new Set();
  let held = null; // how many are shown; null: it is not known whether there are some
  if (!mayPeek) {
    fill(part, h("div", { class: "tools" }, reason, all), h("p", { class: "hint" }, t("dead.unseen")));
    return;
  }
  fill(part, h("div", { class: "tools" }, reason, again, mayManage ? [some, all] : null), list, pages.node);
  reason.addEventListener("change", pages.start);
  pages.start();

  function draw({ messages: letters }) {
    held = letters.length;
    picked.clear();
    fill(list, held ? letters.map(row) : h("li", {}, empty(t("dead.none"))));
    drawPicked();
    return held;
  }

  function instead(node) {
    held = null;
    picked.clear();
    fill(list, node ? h("li", {}, node) : []);
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
    if (signal.aborted) return;
    changed();
    if (!mayPeek) return;
    await pages.again();
    again.focus(); // the row that had the focus may be gone
  }
}
