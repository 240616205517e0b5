// All queues at a glance: totals, and a table of which only the rows of one page are drawn.

import * as api from "./api.js";
import { sparkline } from "./charts.js";
import { fill, h, keyed, mark, write } from "./dom.js";
import { age, count, rate } from "./format.js";
import { addAll, historyOf, totals } from "./history.js";
import { showEnds } from "./pager.js";
import { button, empty, select, showPauses } from "./parts.js";
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

const ACTIONS = ["push", "pop", "count", "peek", "manage"];

const START = { search: "", filter: "all", sort: "queue", isDescending: false, page: 0 };
const shown = { ...START }; // as somebody left it, for when they come back

/** Forgets what was searched for: the next to log in shall not see it. */
export function forget() {
  Object.assign(shown, START);
}

/** Shows the queues in `main` until `signal` aborts. `tell` hears how the asking goes. */
export function queuesView(main, tell, signal) {
  let seen = { all: [], isCut: false, isFirst: true };
  const number = h("b");
  const tiles = TILES.map(tile);
  const tools = toolsOf(show);
  const table = tableOf(show);
  const below = h("div");
  const pages = pagesOf(turn);
  fill(
    main,
    h("div", { class: "head" }, h("h1", {}, t("queues.title"), " ", h("span", { class: "number" }, number))),
    h(
      "section",
      { class: "tiles", "aria-label": t("queues.totals") },
      tiles.map(({ node }) => node),
    ),
    tools.node,
    table.node,
    below,
    pages.node,
  );
  draw();
  new Poller(look, tell, signal);

  async function look() {
    seen = { ...(await api.queues(signal)), isFirst: false };
    addAll(seen.all);
    draw();
  }

  function show(change) {
    Object.assign(shown, change);
    draw();
  }

  function turn(by) {
    show({ page: shown.page + by });
    table.node.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    const { all, isCut, isFirst } = seen;
    const found = chosen(all);
    const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
    shown.page = Math.min(Math.max(0, shown.page), last);
    const rows = found.slice(shown.page * ROWS, (shown.page + 1) * ROWS);
    for (const each of tiles) each.update();
    write(number, isFirst ? "" : isCut ? t("queues.cut", { n: count(all.length) }) : count(all.length));
    tools.update();
    table.update(rows);
    pages.update(rows.length, found.length, last);
    drawBelow(below, seen, found);
  }
}

/** A figure of all queues together, with its chart. */
function tile({ kind, label, write: textOf }) {
  const value = h("b");
  const spark = sparkline(kind);
  function update() {
    write(value, textOf(totals.last(kind)));
    spark.update(totals.points(kind));
  }
  return { node: h("div", { class: `tile ${kind}` }, h("span", {}, t(label)), value, spark.node), update };
}

/** What chooses and sorts the queues; `show` hears of a change. */
function toolsOf(show) {
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
  search.addEventListener("input", () => show({ search: search.value.trim(), page: 0 }));
  filter.addEventListener("change", () => show({ filter: filter.value, page: 0 }));
  sort.addEventListener("change", () => {
    const [id, way] = sort.value.split(" ");
    show({ sort: id, isDescending: way === "down", page: 0 });
  });
  const node = h("div", { class: "tools" }, search, filter, h("span", { class: "narrow" }, sort));
  return { node, update: () => (sort.value = `${shown.sort} ${shown.isDescending ? "down" : "up"}`) };
}

/** The table, whose heads sort it; `update` takes the queues to show. */
function tableOf(show) {
  const heads = COLUMNS.map(({ id, label }) => {
    const press = button(t(label), () => {
      show({ sort: id, isDescending: shown.sort === id ? !shown.isDescending : id !== "queue", page: 0 });
    });
    return { id, node: h("th", { role: "columnheader", scope: "col", class: id }, press) };
  });
  const head = h(
    "tr",
    { role: "row" },
    heads.map(({ node }) => node),
  );
  const body = h("tbody", { role: "rowgroup" });
  const node = h(
    "table",
    { class: "queues", role: "table" },
    h("caption", { class: "unseen" }, t("queues.title")),
    h("thead", { role: "rowgroup" }, head),
    body,
  );

  function update(rows) {
    for (const { id, node: each } of heads) {
      mark(each, "aria-sort", shown.sort !== id ? null : shown.isDescending ? "descending" : "ascending");
    }
    keyed(
      body,
      rows,
      (each) => each.queue,
      makeRow,
      (row, each) => row.update(each),
    );
    node.hidden = rows.length === 0;
  }

  return { node, update };
}

/** The buttons that turn the pages, and where one is. */
function pagesOf(turn) {
  const where = h("span", { class: "where" });
  const back = button(t("page.back"), () => turn(-1));
  const forward = button(t("page.forward"), () => turn(1));
  const node = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);

  function update(held, all, last) {
    const from = shown.page * ROWS;
    write(where, t("page.where", { from: count(from + 1), to: count(from + held), all: count(all) }));
    showEnds(back, forward, shown.page === 0, shown.page === last);
    node.hidden = all <= ROWS;
  }

  return { node, update };
}

/** Says below the table that there is nothing in it, and leads to the queue searched for if that is not listed. */
function drawBelow(below, { all, isCut, isFirst }, found) {
  const name = shown.search;
  const isOffered =
    QUEUE_NAME.test(name) &&
    !found.some((each) => each.queue === name) &&
    ACTIONS.some((action) => may(action, name));
  const isThere = all.some((each) => each.queue === name); // and the filter hides it
  const isNew = !isThere && !isFirst && !isCut && may("count", name);
  const key = [found.length === 0, isFirst, all.length === 0, isThere, isNew, isOffered && name].join(" ");
  if (below.dataset.key === key) return;
  below.dataset.key = key;
  const way = toQueue(name, !isThere && may("push", name) ? "try" : "messages");
  const words = isNew ? t("queues.open", { name }) : t("queues.go", { name });
  const link = isOffered ? h("a", { href: way }, words) : null;
  if (found.length) fill(below, link && h("p", { class: "offer" }, link));
  else fill(below, empty(isFirst ? t("queues.loading") : all.length ? t("queues.none-fits") : t("queues.none"), link));
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
  const badges = h("span", { class: "badges" });
  const values = Object.fromEntries(COLUMNS.slice(1).map(({ id }) => [id, h("span", { class: "value" })]));
  const sparks = Object.fromEntries(COLUMNS.slice(1).map(({ id }) => [id, sparkline(id)]));
  const cells = COLUMNS.slice(1).map(({ id, label }) =>
    h("td", { role: "cell", class: id, "data-label": t(label) }, sparks[id].node, values[id]),
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
