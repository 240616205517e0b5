// Asks again and again: one request at a time, none while nobody looks, fewer when the server is slow or in trouble.

import { Problem } from "./api.js";

const REST_MS = 2000;
const SHARE = 9; // rests nine times as long as an answer took: at most a tenth of the time is spent on asking
const MOST_REST_MS = 60_000;
const MOST_HEED_MS = 3_600_000; // of Retry-After; a timer of more than 24 days would end at once

/**
 * Runs `ask()` until `signal` aborts. `tell` hears {state, problem, seconds} after each: "live"; "waiting" so many seconds
 * until it asks again; "absent", the same where what is asked for is not there; "stopped" for good.
 * A Problem that `ask` throws slows it down (Retry-After is heeded). Another error does, too: what is shown would be old,
 * and nobody would be told.
 */
export class Poller {
  #ask;
  #tell;
  #signal;
  #timer = 0;
  #asking = false;
  #isHeeding = false; // rests as long as the server wished
  #failures = 0;
  #onVisible = () => this.soon();

  constructor(ask, tell, signal) {
    this.#ask = ask;
    this.#tell = tell;
    this.#signal = signal;
    document.addEventListener("visibilitychange", this.#onVisible, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.soon();
  }

  /** Asks now, unless it is asking, the page is hidden, or the server wished to be left in peace. */
  soon() {
    if (this.#asking || this.#isHeeding || document.hidden || this.#signal.aborted) return;
    clearTimeout(this.#timer);
    this.#run();
  }

  async #run() {
    const signal = this.#signal;
    const started = performance.now();
    let rest;
    this.#asking = true;
    try {
      await this.#ask();
      if (signal.aborted) return;
      this.#failures = 0;
      rest = Math.max(REST_MS, SHARE * (performance.now() - started));
      this.#tell({ state: "live" });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) reportError(error);
      rest = this.#backOff(error instanceof Problem ? error : new Problem({ code: "internal" }));
      if (rest === null) return;
    } finally {
      this.#asking = false;
    }
    if (signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#isHeeding = false;
      this.soon();
    }, rest);
  }

  /** How long to rest after a refusal; null: there is no use in asking again. */
  #backOff(problem) {
    const isAbsent = problem.status === 404; // somebody may make it
    if (problem.status >= 400 && problem.status < 500 && ![404, 408, 429].includes(problem.status)) {
      this.#tell({ state: "stopped", problem });
      return null;
    }
    const grown = Math.min(MOST_REST_MS, REST_MS * 2 ** this.#failures++);
    const heeded = Math.min(MOST_HEED_MS, (problem.retryAfter ?? 0) * 1000);
    const rest = Math.max(grown, heeded) * (1 + Math.random() / 4);
    this.#isHeeding = problem.retryAfter !== null;
    this.#tell({ state: isAbsent ? "absent" : "waiting", seconds: Math.round(rest / 1000), problem });
    return rest;
  }
}
