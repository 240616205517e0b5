// What the page has seen of each queue since it was opened: the last minutes, in memory, for the charts.

const POINTS = 90;
const LEAST_SECONDS = 1; // between two points: a rate over less is noise
const COUNTS = ["ready", "delayed", "leased", "dead"];
const RATES = ["pushed", "delivered", "acked"];
const FIELDS = ["at", ...COUNTS, "oldest", ...RATES];
const WIDTH = FIELDS.length;
const PLACE = Object.fromEntries(FIELDS.map((name, place) => [name, place]));

/** The last points of one queue: the time in seconds, messages by state, the age of the oldest, and messages a second. */
class History {
  #values = new Float64Array(POINTS * WIDTH);
  #length = 0;
  #totals = null;
  #at = 0;

  /** Adds what was seen at `at` (s). Rates are those since the look before; there are none after the first. */
  add(at, counts, totals) {
    const seconds = at - this.#at;
    if (this.#totals !== null && seconds < LEAST_SECONDS) return;
    // First seen, or made anew since: no total ever falls.
    const isNew = this.#totals === null || Object.keys(totals).some((name) => totals[name] < this.#totals[name]);
    const rateOf = (name) => (isNew ? NaN : (totals[name] - this.#totals[name]) / seconds);
    this.#append([at, ...COUNTS.map((name) => counts[name]), counts.oldest_age ?? 0, ...RATES.map(rateOf)]);
    this.#totals = totals;
    this.#at = at;
  }

  /** Adds a point whose rates are known. */
  addPoint(point) {
    this.#append(FIELDS.map((name) => point[name]));
  }

  #append(values) {
    if (this.#length === POINTS) {
      this.#values.copyWithin(0, WIDTH);
      this.#length--;
    }
    this.#values.set(values, this.#length++ * WIDTH);
  }

  /** [time, value] of each point of a field where there is a value. */
  points(field) {
    const found = [];
    for (let start = 0; start < this.#length * WIDTH; start += WIDTH) {
      const value = this.#values[start + PLACE[field]];
      if (!Number.isNaN(value)) found.push([this.#values[start], value]);
    }
    return found;
  }

  /** The latest value of a field; null if there is none. */
  last(field) {
    if (!this.#length) return null;
    const value = this.#values[(this.#length - 1) * WIDTH + PLACE[field]];
    return Number.isNaN(value) ? null : value;
  }
}

const queues = new Map();
export let totals = new History();

/** The history of `queue`, which begins now if there is none. */
export function historyOf(queue) {
  if (!queues.has(queue)) queues.set(queue, new History());
  return queues.get(queue);
}

/** Takes in a list of all queues, and forgets those that are gone. */
export function addAll(list) {
  const at = performance.now() / 1000;
  const sum = Object.fromEntries([...COUNTS, ...RATES].map((name) => [name, 0]));
  let oldest = 0;
  let rated = list.length === 0;
  for (const each of list) {
    const history = historyOf(each.queue);
    history.add(at, each, each.totals);
    for (const name of COUNTS) sum[name] += each[name];
    oldest = Math.max(oldest, each.oldest_age ?? 0);
    for (const name of RATES) sum[name] += history.last(name) ?? 0;
    rated ||= history.last("pushed") !== null;
  }
  const rates = rated ? {} : { pushed: NaN, delivered: NaN, acked: NaN };
  totals.addPoint({ ...sum, ...rates, oldest, at });
  const there = new Set(list.map((each) => each.queue));
  for (const queue of queues.keys()) if (!there.has(queue)) queues.delete(queue);
}

/** Takes in one queue. */
export function addOne(queue, counts, itsTotals) {
  historyOf(queue).add(performance.now() / 1000, counts, itsTotals);
}

/** Forgets all: the next to log in shall not see it. */
export function forget() {
  queues.clear();
  totals = new History();
}
