// One queue: its figures live, what can be done to it, and a part for each thing to look at.

import * as api from "./api.js";
import { fill, h, mark } from "./dom.js";
import { figuresOf } from "./figures.js";
import { addOne } from "./history.js";
import { button, empty, said } from "./parts.js";
import { Poller } from "./poller.js";
import { deleteQueue, pauseQueue, purgeQueue, resumeQueue } from "./queue-actions.js";
import { may } from "./rights.js";
import { go, toQueue, toQueues } from "./router.js";
import { browseView } from "./view-browse.js";
import { deadView } from "./view-dead.js";
import { showPauses } from "./view-queues.js";
import { settingsView } from "./view-settings.js";
import { tryView } from "./view-try.js";
import { t } from "./words.js";

const TABS = {
  messages: { label: "tab.messages", view: browseView, needs: ["peek"] },
  dead: { label: "tab.dead", view: deadView, needs: ["peek"] },
  try: { label: "tab.try", view: tryView, needs: ["push", "pop"] },
  settings: { label: "tab.settings", view: settingsView, needs: ["count"] },
};

/** Shows `queue` in `main` until `signal` aborts, with its part `tab`; gives what changes the part. */
export function queueView(main, { queue, tab }, tell, signal) {
  const mayManage = may("manage", queue);
  const badges = h("span", { class: "badges" });
  const resume = button(t("queue.resume"), (pressed) => act(resumeQueue, pressed));
  const actions = h("div", { class: "actions" });
  if (mayManage) {
    resume.hidden = true;
    actions.append(
      resume,
      button(t("queue.pause"), (pressed) => act(pauseQueue, pressed)),
      button(t("queue.purge"), (pressed) => act(purgeQueue, pressed)),
      button(t("queue.delete"), onDelete, "risky"),
    );
  }
  const figures = may("count", queue) ? figuresOf(queue) : null;
  const trouble = h("div");
  const tabs = h("nav", { class: "tabs", "aria-label": t("tab.label") });
  const part = h("section", { class: "part" });
  fill(
    main,
    h(
      "div",
      { class: "head" },
      h("div", {}, h("a", { class: "up", href: toQueues() }, `← ${t("queues.title")}`), h("h1", {}, queue, badges)),
      actions,
    ),
    trouble,
    figures?.node ?? h("p", { class: "note" }, t("queue.no-count")),
    tabs,
    part,
  );

  let showing = new AbortController(); // ends with the part
  const there = Object.entries(TABS).filter(([, { needs }]) => needs.some((action) => may(action, queue)));
  const links = there.map(([name, { label }]) => [name, h("a", { href: toQueue(queue, name) }, t(label))]);
  fill(
    tabs,
    links.map(([, link]) => link),
  );

  const poller = figures && new Poller(look, hear, signal);
  const context = { queue, changed: () => poller?.soon() };
  turn(tab);
  return turn;

  function turn(wanted) {
    const name = there.some(([each]) => each === wanted) ? wanted : there[0]?.[0];
    for (const [each, link] of links) mark(link, "aria-current", each === name ? "page" : null);
    showing.abort();
    showing = new AbortController();
    if (name === undefined) fill(part, empty(t("queue.nothing-allowed")));
    else TABS[name].view(part, { ...context, signal: AbortSignal.any([signal, showing.signal]) });
  }

  async function look() {
    const { data } = await api.queue(queue, signal);
    addOne(queue, data.counts, data.totals);
    fill(trouble, []);
    figures.update(data);
    showPauses(badges, data.paused);
    resume.hidden = Object.keys(data.paused).length === 0;
    for (const node of actions.children) if (node !== resume) node.hidden = false;
  }

  function hear(how) {
    tell(how);
    if (how.state !== "stopped" || how.problem.status === 401) return;
    fill(trouble, h("p", { class: "note" }, said(how.problem)));
    for (const node of actions.children) node.hidden = true;
  }

  async function act(action, pressed) {
    if (!(await action(queue, pressed)) || signal.aborted) return;
    poller?.soon();
    if (action === purgeQueue) turn(links.find(([, link]) => link.getAttribute("aria-current"))?.[0]);
  }

  async function onDelete(pressed) {
    if ((await deleteQueue(queue, pressed)) && !signal.aborted) go(toQueues());
  }
}
