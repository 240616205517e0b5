// One queue: its figures live, what can be done to it, and a part for each thing to look at.

import * as api from "./api.js";
import { fill, h, mark } from "./dom.js";
import { figuresOf } from "./figures.js";
import { addOne } from "./history.js";
import { said } from "./notices.js";
import { button, empty, showPauses } from "./parts.js";
import { Poller } from "./poller.js";
import { deleteQueue, pauseQueue, purgeQueue, resumeQueue } from "./queue-actions.js";
import { may } from "./rights.js";
import { go, toQueue, toQueues } from "./router.js";
import { browseView } from "./view-browse.js";
import { deadView } from "./view-dead.js";
import { settingsView } from "./view-settings.js";
import { tryView } from "./view-try.js";
import { t } from "./words.js";

const TABS = {
  messages: { label: "tab.messages", view: browseView, needs: ["peek"] },
  dead: { label: "tab.dead", view: deadView, needs: ["peek", "manage"] },
  try: { label: "tab.try", view: tryView, needs: ["push", "pop"] },
  settings: { label: "tab.settings", view: settingsView, needs: ["count", "manage"] },
};

/** Shows `queue` in `main` until `signal` aborts, with its part `tab`; gives what changes the part. */
export function queueView(main, { queue, tab }, tell, signal) {
  const badges = h("span", { class: "badges" });
  const trouble = h("div");
  const figures = may("count", queue) ? figuresOf(queue) : null;
  const parts = partsOf(queue, changed, signal);
  const actions = actionsOf(queue, { changed, emptied, signal });
  const title = h("h1", {}, queue, badges);
  const up = h("a", { class: "up", href: toQueues() }, `← ${t("queues.title")}`);
  fill(
    main,
    h("div", { class: "head" }, h("div", {}, up, title), actions.node),
    trouble,
    figures?.node ?? h("p", { class: "note" }, t("queue.no-count")),
    parts.tabs,
    parts.node,
  );
  const poller = figures && new Poller(look, hear, signal);
  parts.turn(tab);
  return parts.turn;

  async function look() {
    const { data } = await api.queue(queue, signal);
    addOne(queue, data.counts, data.totals);
    fill(trouble, []);
    figures.update(data);
    showPauses(badges, data.paused);
    actions.update(data.paused);
  }

  function hear(how) {
    tell(how);
    const isUseless = how.state === "absent" || how.state === "stopped";
    if (!isUseless || how.problem.status === 401) return;
    fill(trouble, h("p", { class: "note" }, said(how.problem)));
    actions.update(null);
  }

  function changed() {
    poller?.soon();
  }

  function emptied() {
    changed();
    parts.again();
  }
}

/** What is done to the whole queue: `{node, update}`; `update` hears what is paused, null if nothing can be done to it. */
function actionsOf(queue, { changed, emptied, signal }) {
  const node = h("div", { class: "actions" });
  if (!may("manage", queue)) return { node, update() {} };
  const resume = button(t("queue.resume"), (pressed) => act(resumeQueue, pressed, changed));
  const others = [
    button(t("queue.pause"), (pressed) => act(pauseQueue, pressed, changed)),
    button(t("queue.purge"), (pressed) => act(purgeQueue, pressed, emptied)),
    button(t("queue.delete"), (pressed) => act(deleteQueue, pressed, () => go(toQueues())), "risky"),
  ];
  node.append(resume, ...others);
  resume.hidden = may("count", queue); // who cannot see whether the queue is paused may have to resume it all the same

  async function act(action, pressed, then) {
    if ((await action(queue, pressed)) && !signal.aborted) then();
  }

  function update(paused) {
    resume.hidden = paused === null || Object.keys(paused).length === 0;
    for (const each of others) each.hidden = paused === null;
  }

  return { node, update };
}

/** The parts of the queue that the caller may use: their `tabs`, the `node` that holds one, `turn(tab)` and `again()`. */
function partsOf(queue, changed, signal) {
  const node = h("section", { class: "part" });
  const there = Object.entries(TABS).filter(([, { needs }]) => needs.some((action) => may(action, queue)));
  const links = there.map(([name, { label }]) => [name, h("a", { href: toQueue(queue, name) }, t(label))]);
  const tabs = h(
    "nav",
    { class: "tabs", "aria-label": t("tab.label") },
    links.map(([, link]) => link),
  );
  let shown;
  let showing = new AbortController(); // ends with the part

  function turn(wanted) {
    shown = there.some(([name]) => name === wanted) ? wanted : there[0]?.[0];
    for (const [name, link] of links) mark(link, "aria-current", name === shown ? "page" : null);
    showing.abort();
    showing = new AbortController();
    if (shown === undefined) fill(node, empty(t("queue.nothing-allowed")));
    else TABS[shown].view(node, { queue, changed, signal: AbortSignal.any([signal, showing.signal]) });
  }

  return { tabs, node, turn, again: () => turn(shown) };
}
