// All queues at a glance: totals, and a table of which only the rows of one page are drawn.

import * as api from "./api.js";
import { sparkline } from "./charts.js";
import { fill, h, keyed, mark, write } from "./dom.js";
import { age, count, rate } from "./format.js";
import { addAll, historyOf, totals } from "./history.js";
import { showEnds } from "./pager.js";
import { button, empty, select } from "./parts.js";
import { Poller } from "./poller.js";
import { may } from "./rights.js";
import { QUEUE_NAME, toQueue } from "./router.js";
import { t } from "./words.js";

const ROWS = 25;
const COLUMNS = [
  { id: "queue", label: "column.queue", of: (each) => each.queue },
  { id: "ready", label: "state.ready", of: (each) => each.ready },
  { id: "delayed", label: "state.delayed", of: (each) => each.delayed },
  { id: "leased", label: "state.leased", of: (each) => each.leased },
  { id: "dead", label: "state.dead", of: (each) => each.dead },
  { id: "oldest", label: "column.oldest", of: (each) => each.oldest_age ?? -1 },
  { id: "pushed", label: "column.pushed", of: (each) => historyOf(each.queue).last("pushed") ?? -1 },
  { id: "delivered", label: "column.delivered", of: (each) => historyOf(each.queue).last("delivered") ?? -1 },
];
const FILTERS = {
  all: { label: "filter.all", fits: () => true },
  ready: { label: "filter.ready", fits: (each) => each.ready > 0 },
  dead: { label: "filter.dead", fits: (each) => each.dead > 0 },
  paused: { label: "filter.paused", fits: (each) => Object.keys(each.paused).length > 0 },
};
const TILES = [
  { kind: "ready", label: "state.ready", write: count },
  { kind: "delayed", label: "state.delayed", write: count },
  { kind: "leased", label: "state.leased", write: count },
  { kind: "dead", label: "state.dead", write: count },
  { kind: "pushed", label: "tile.pushed", write: rate },
  { kind: "delivered", label: "tile.delivered", write: rate },
];

// As somebody left it, for when they come back.
const shown = { search: "", filter: "all", sort: "queue", isDescending: false, page: 0 };

/** Shows the queues in `main` until `signal` aborts. `tell` hears how the asking goes. */
export function queuesView(main, tell, signal) {
  let all = [];
  let isCut = false;
  let isFirst = true;
  const tiles = TILES.map(tile);
  const number = h("b");
  const search = h("input", { type: "search", "aria-label": t("queues.search"), placeholder: t("queues.search") });
  search.value = shown.search;
  const filter = select(
    Object.entries(FILTERS).map(([name, { label }]) => [name, t(label)]),
    shown.filter,
  );
  filter.setAttribute("aria-label", t("queues.filter"));
  const sorts = COLUMNS.flatMap(({ id, label }) => [
    [`${id} up`, `${t(label)} ↑`],
    [`${id} down`, `${t(label)} ↓`],
  ]);
  const sort = select(sorts); // what the heads of the table do, where there is no room for them
  sort.setAttribute("aria-label", t("queues.sort"));
  const heads = COLUMNS.map(head);
  const body = h("tbody", { role: "rowgroup" });
  const table = h(
    "table",
    { class: "queues", role: "table" },
    h("caption", { class: "unseen" }, t("queues.title")),
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        heads.map(({ node }) => node),
      ),
    ),
    body,
  );
  const nothing = h("div");
  const where = h("span", { class: "where" });
  const back = button(t("page.back"), () => turn(-1));
  const forward = button(t("page.forward"), () => turn(1));
  const pages = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);

  fill(
    main,
    h("div", { class: "head" }, h("h1", {}, t("queues.title"), " ", h("span", { class: "number" }, number))),
    h(
      "section",
      { class: "tiles", "aria-label": t("queues.totals") },
      tiles.map(({ node }) => node),
    ),
    h("div", { class: "tools" }, search, filter, h("span", { class: "narrow" }, sort)),
    table,
    nothing,
    pages,
  );

  search.addEventListener("input", () => show({ search: search.value.trim(), page: 0 }));
  filter.addEventListener("change", () => show({ filter: filter.value, page: 0 }));
  sort.addEventListener("change", () => {
    const [id, way] = sort.value.split(" ");
    show({ sort: id, isDescending: way === "down", page: 0 });
  });

  async function look() {
    ({ all, isCut } = await api.queues(signal));
    addAll(all);
    isFirst = false;
    draw();
  }

  draw();
  new Poller(look, tell, signal);

  function show(change) {
    Object.assign(shown, change);
    draw();
  }

  function turn(by) {
    show({ page: shown.page + by });
    table.scrollIntoView({ block: "nearest" });
  }

  function tile({ kind, label, write: textOf }) {
    const value = h("b");
    const spark = sparkline(kind);
    const node = h("div", { class: `tile ${kind}` }, h("span", {}, t(label)), value, spark.node);
    return {
      node,
      update() {
        write(value, textOf(totals.last(kind)));
        spark.update(totals.points(kind));
      },
    };
  }

  function head({ id, label }) {
    const press = button(t(label), () => {
      show({ sort: id, isDescending: shown.sort === id ? !shown.isDescending : id !== "queue", page: 0 });
    });
    return { id, node: h("th", { role: "columnheader", scope: "col", class: id }, press) };
  }

  function draw() {
    const found = chosen(all);
    const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
    shown.page = Math.min(Math.max(0, shown.page), last);
    const rows = found.slice(shown.page * ROWS, (shown.page + 1) * ROWS);
    tiles.forEach((each) => each.update());
    write(number, isFirst ? "" : isCut ? t("queues.cut", { n: count(all.length) }) : count(all.length));
    for (const { id, node } of heads) {
      mark(node, "aria-sort", shown.sort !== id ? null : shown.isDescending ? "descending" : "ascending");
    }
    sort.value = `${shown.sort} ${shown.isDescending ? "down" : "up"}`;
    keyed(
      body,
      rows,
      (each) => each.queue,
      makeRow,
      (node, each) => node.update(each),
    );
    table.hidden = rows.length === 0;
    pages.hidden = found.length <= ROWS;
    write(
      where,
      t("page.where", {
        from: count(shown.page * ROWS + 1),
        to: count(shown.page * ROWS + rows.length),
        all: count(found.length),
      }),
    );
    showEnds(back, forward, shown.page === 0, shown.page === last);
    drawNothing(rows.length === 0);
  }

  function drawNothing(isEmpty) {
    const name = shown.search;
    const isNew = QUEUE_NAME.test(name) && !all.some((each) => each.queue === name);
    const key = `${isEmpty} ${isFirst} ${all.length === 0} ${isNew ? name : ""}`;
    if (nothing.dataset.key === key) return;
    nothing.dataset.key = key;
    const words = isFirst ? t("queues.loading") : all.length ? t("queues.none-fits") : t("queues.none");
    const way = isNew && (may("push", name) || may("peek", name) || may("count", name));
    const link = way
      ? h("a", { href: toQueue(name, may("push", name) ? "try" : "messages") }, t("queues.open", { name }))
      : null;
    if (isEmpty) fill(nothing, empty(words, link));
    else fill(nothing, []);
  }
}

function chosen(all) {
  const wanted = shown.search.toLowerCase();
  const { of } = COLUMNS.find(({ id }) => id === shown.sort);
  const found = all.filter((each) => FILTERS[shown.filter].fits(each) && each.queue.toLowerCase().includes(wanted));
  const way = shown.isDescending ? -1 : 1;
  // Those that are equal stay in the order of their names, so that rows do not dance.
  return found
    .map((each) => [of(each), each])
    .sort(([a], [b]) => (a < b ? -way : a > b ? way : 0))
    .map(([, each]) => each);
}

function makeRow({ queue }) {
  const ready = sparkline("ready");
  const pushed = sparkline("pushed");
  const delivered = sparkline("delivered");
  const badges = h("span", { class: "badges" });
  const values = Object.fromEntries(COLUMNS.slice(1).map(({ id }) => [id, h("span", { class: "value" })]));
  const sparks = { ready, pushed, delivered };
  const cells = COLUMNS.slice(1).map(({ id, label }) =>
    h("td", { role: "cell", class: id, "data-label": t(label) }, sparks[id]?.node, values[id]),
  );
  const name = h(
    "th",
    { role: "rowheader", scope: "row", class: "queue" },
    h("a", { href: toQueue(queue) }, queue),
    badges,
  );
  const row = h("tr", { role: "row" }, name, cells);
  row.update = (each) => {
    const history = historyOf(queue);
    for (const id of ["ready", "delayed", "leased", "dead"]) {
      write(values[id], count(each[id]));
      values[id].classList.toggle("zero", each[id] === 0);
    }
    write(values.oldest, age(each.oldest_age));
    for (const [id, { update }] of Object.entries(sparks)) update(history.points(id));
    for (const id of ["pushed", "delivered"]) {
      write(values[id], rate(history.last(id)));
      values[id].classList.toggle("zero", !history.last(id));
    }
    showPauses(badges, each.paused);
  };
  return row;
}

/** Says which operations are paused. */
export function showPauses(node, paused) {
  const words = { push: t("paused.push"), pop: t("paused.pop") };
  keyed(
    node,
    Object.keys(paused).sort(),
    (name) => name,
    (name) => h("span", { class: "badge paused" }, words[name]),
    () => {},
  );
}
