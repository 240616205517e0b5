// Where in the page one is: the part of the address behind #, which no server sees.

/** The names that a queue may have. `..` is none: it would be another address of the API. */
export const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

/** The place that the address names: {view: "queues"}, {view: "audit"} or {view: "queue", queue, tab}. */
export function place() {
  const [view, queue, tab] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (view === "audit") return { view };
  if (view === "queues" && QUEUE_NAME.test(queue ?? "")) return { view: "queue", queue, tab: tab || "messages" };
  return { view: "queues" };
}

export const toQueues = () => "#/queues";
export const toAudit = () => "#/audit";
export const toQueue = (queue, tab = "messages") => `#/queues/${encodeURIComponent(queue)}/${tab}`;

export function go(hash) {
  location.hash = hash;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody typed a % of their own
  }
}
