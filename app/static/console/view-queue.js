// One queue: its figures live, what can be done to it, and a part for each thing to look at.

import * as api from "./api.js";
import { chart } from "./charts.js";
import { fill, h, keyed, mark, write } from "./dom.js";
import { age, ago, bytes, count, rate, short } from "./format.js";
import { addOne, historyOf } from "./history.js";
import { ask, attempt, button, empty, field, notify, said, select } from "./parts.js";
import { Poller } from "./poller.js";
import { may } from "./rights.js";
import { go, toQueue, toQueues } from "./router.js";
import { browseView } from "./view-browse.js";
import { deadView } from "./view-dead.js";
import { showPauses } from "./view-queues.js";
import { settingsView } from "./view-settings.js";
import { tryView } from "./view-try.js";
import { t } from "./words.js";

const STATES = ["ready", "delayed", "leased", "dead"];
const STATE_WORDS = { ready: "state.ready", delayed: "state.delayed", leased: "state.leased", dead: "state.dead" };
const RATES = { pushed: "total.pushed", delivered: "total.delivered", acked: "total.acked" };
const TOTALS = {
  ...RATES,
  nacked: "total.nacked",
  died: "total.died",
  redriven: "total.redriven",
  dead_dropped: "total.dead_dropped",
  purged: "total.purged",
};
const TABS = {
  messages: { label: "tab.messages", view: browseView, needs: ["peek"] },
  dead: { label: "tab.dead", view: deadView, needs: ["peek"] },
  try: { label: "tab.try", view: tryView, needs: ["push", "pop"] },
  settings: { label: "tab.settings", view: settingsView, needs: ["count"] },
};
const MINUTES = [0, 5, 60, 1440];

/** Shows `queue` in `main`, with its part `tab`; gives what ends it, and what changes the part. */
export function queueView(main, { queue, tab }, tell) {
  const mayManage = may("manage", queue);
  const badges = h("span", { class: "badges" });
  const resume = button(t("queue.resume"), onResume);
  const actions = h("div", { class: "actions" });
  if (mayManage) {
    resume.hidden = true;
    actions.append(
      resume,
      button(t("queue.pause"), onPause),
      button(t("queue.purge"), onPurge),
      button(t("queue.delete"), onDelete, "risky"),
    );
  }
  const figures = may("count", queue) ? figuresOf(queue) : null;
  const trouble = h("div");
  const tabs = h("nav", { class: "tabs", "aria-label": t("tab.label") });
  const part = h("section", { class: "part" });
  fill(
    main,
    h("div", { class: "head" }, h("div", {}, h("a", { class: "up", href: toQueues() }, `← ${t("queues.title")}`), h("h1", {}, queue, badges)), actions),
    trouble,
    figures?.node ?? h("p", { class: "note" }, t("queue.no-count")),
    tabs,
    part,
  );

  let endPart = () => {};
  let last = null; // the last answer, and its tag
  const there = Object.entries(TABS).filter(([, { needs }]) => needs.some((action) => may(action, queue)));
  const links = there.map(([name, { label }]) => [name, h("a", { href: toQueue(queue, name) }, t(label))]);
  fill(tabs, links.map(([, link]) => link));

  const poller = figures && new Poller(look, hear);
  const context = { queue, changed: () => poller?.soon(), last: () => last };
  turn(tab);
  return { end, turn };

  function end() {
    poller?.stop();
    endPart();
  }

  function turn(wanted) {
    const name = there.some(([each]) => each === wanted) ? wanted : there[0]?.[0];
    for (const [each, link] of links) mark(link, "aria-current", each === name ? "page" : null);
    endPart();
    endPart = () => {};
    if (name === undefined) fill(part, empty(t("queue.nothing-allowed")));
    else endPart = TABS[name].view(part, context) ?? endPart;
  }

  async function look(signal) {
    const { data, tag } = await api.queue(queue, signal);
    last = { ...data, tag };
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

  async function onPause(pressed) {
    const what = field(t("pause.what"), select([["both", t("pause.both")], ["push", t("pause.push")], ["pop", t("pause.pop")]]));
    const labels = [t("pause.open"), t("pause.minutes", { n: 5 }), t("pause.hour"), t("pause.day")];
    const how = field(t("pause.long"), select(MINUTES.map((minutes, place) => [String(minutes), labels[place]])));
    const isSure = await ask({ title: t("pause.title", { queue }), text: t("pause.text"), confirm: t("queue.pause"), fields: [what.node, how.node] });
    if (!isSure) return;
    const minutes = Number(how.control.value);
    const until = minutes ? new Date(Date.now() + minutes * 60_000).toISOString() : null;
    await attempt(pressed, async () => {
      await api.pause(queue, { operation: what.control.value, until });
      notify(t("pause.done"));
    });
    poller?.soon();
  }

  async function onResume(pressed) {
    await attempt(pressed, async () => {
      await api.resume(queue);
      notify(t("resume.done"));
    });
    poller?.soon();
  }

  async function onPurge(pressed) {
    const which = field(t("purge.which"), select([["all", t("purge.all")], ...STATES.map((state) => [state, t(STATE_WORDS[state])])]));
    const sure = { title: t("purge.title", { queue }), text: t("purge.text"), confirm: t("queue.purge"), mustType: queue, fields: [which.node], isGrave: true };
    if (!(await ask(sure))) return;
    await attempt(pressed, async () => {
      const { purged, remaining } = await api.purge(queue, which.control.value);
      notify(t("purge.done", { purged: count(purged), remaining: count(remaining) }));
    });
    poller?.soon();
    turn(currentTab());
  }

  async function onDelete(pressed) {
    const sure = { title: t("delete.title", { queue }), text: t("delete.text"), confirm: t("queue.delete"), mustType: queue, isGrave: true };
    if (!(await ask(sure))) return;
    await attempt(pressed, async () => {
      await api.remove(queue);
      notify(t("delete.done", { queue }));
      go(toQueues());
    });
  }

  function currentTab() {
    return links.find(([, link]) => link.getAttribute("aria-current"))?.[0];
  }
}

function figuresOf(queue) {
  const tiles = STATES.map((state) => [state, tile(state, t(STATE_WORDS[state]))]);
  const oldest = tile("oldest", t("column.oldest"));
  const size = tile("bytes", t("queue.bytes"));
  const messages = chart({
    title: t("chart.messages"),
    lines: STATES.map((state) => ({ kind: state, label: t(STATE_WORDS[state]) })),
    write: count,
    tick: short,
  });
  const rates = chart({
    title: t("chart.rates"),
    lines: Object.entries(RATES).map(([kind, label]) => ({ kind, label: t(label) })),
    write: rate,
    tick: short,
  });
  const facts = h("dl", { class: "facts totals" });
  const node = h(
    "div",
    {},
    h("section", { class: "tiles", "aria-label": t("queue.figures") }, tiles.map(([, each]) => each.node), oldest.node, size.node),
    h("div", { class: "charts" }, messages.node, rates.node),
    h("details", { class: "more" }, h("summary", {}, t("queue.totals")), facts),
  );

  function update({ counts, totals, waiters, next_due: due }) {
    for (const [state, each] of tiles) write(each.value, count(counts[state]));
    write(oldest.value, age(counts.oldest_age));
    write(size.value, bytes(counts.bytes));
    const history = historyOf(queue);
    messages.update(STATES.map((state) => history.points(state)));
    rates.update(Object.keys(RATES).map((name) => history.points(name)));
    const rows = Object.entries(TOTALS).map(([name, label]) => [t(label), count(totals[name])]);
    rows.push([t("queue.waiters"), count(waiters)], [t("queue.next-due"), due ? ago(due) : "–"]);
    keyed(facts, rows, ([label]) => label, fact, (row, [, value]) => write(row.lastChild, value));
  }

  return { node, update };
}

function fact([label]) {
  return h("div", {}, h("dt", {}, label), h("dd"));
}

function tile(kind, label) {
  const value = h("b", {}, "–");
  return { value, node: h("div", { class: `tile ${kind}` }, h("span", {}, label), value) };
}
