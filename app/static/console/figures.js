// The figures of one queue: tiles with small charts, two larger ones, and what happened since it was made.

import { chart, sparkline } from "./charts.js";
import { h, keyed, write } from "./dom.js";
import { age, ago, bytes, count, rate, short } from "./format.js";
import { historyOf } from "./history.js";
import { t } from "./words.js";

const STATES = { ready: "state.ready", delayed: "state.delayed", leased: "state.leased", dead: "state.dead" };
const RATES = { pushed: "total.pushed", delivered: "total.delivered", acked: "total.acked" };
const TOTALS = {
  ...RATES,
  nacked: "total.nacked",
  died: "total.died",
  redriven: "total.redriven",
  dead_dropped: "total.dead_dropped",
  purged: "total.purged",
};

/** `{node, update}`; `update` takes what GET /queues/{queue} answers, once the history has it. */
export function figuresOf(queue) {
  const tiles = Object.entries(STATES).map(([state, label]) => [state, tile(state, t(label), sparkline(state))]);
  const oldest = tile("oldest", t("column.oldest"), sparkline("oldest"));
  const size = tile("bytes", t("queue.bytes"));
  const messages = chart({
    title: t("chart.messages"),
    lines: Object.entries(STATES).map(([kind, label]) => ({ kind, label: t(label) })),
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
    h(
      "section",
      { class: "tiles", "aria-label": t("queue.figures") },
      tiles.map(([, each]) => each.node),
      oldest.node,
      size.node,
    ),
    h("div", { class: "charts" }, messages.node, rates.node),
    h("details", { class: "more" }, h("summary", {}, t("queue.totals")), facts),
  );

  function update({ counts, totals, waiters, next_due: due }) {
    for (const [state, each] of tiles) write(each.value, count(counts[state]));
    write(oldest.value, age(counts.oldest_age));
    write(size.value, bytes(counts.bytes));
    const history = historyOf(queue);
    for (const [kind, { spark }] of [...tiles, ["oldest", oldest]]) spark.update(history.points(kind));
    messages.update(Object.keys(STATES).map((state) => history.points(state)));
    rates.update(Object.keys(RATES).map((name) => history.points(name)));
    const rows = Object.entries(TOTALS).map(([name, label]) => [t(label), count(totals[name])]);
    rows.push([t("queue.waiters"), count(waiters)], [t("queue.next-due"), due ? ago(due) : "–"]);
    keyed(
      facts,
      rows,
      ([label]) => label,
      fact,
      (row, [, value]) => write(row.lastChild, value),
    );
  }

  return { node, update };
}

function fact([label]) {
  return h("div", {}, h("dt", {}, label), h("dd"));
}

function tile(kind, label, spark = null) {
  const value = h("b", {}, "–");
  return { value, spark, node: h("div", { class: `tile ${kind}` }, h("span", {}, label), value, spark?.node) };
}
