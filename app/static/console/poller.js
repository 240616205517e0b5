// Asks again and again: one request at a time, none while nobody looks, fewer when the server is slow or in trouble.

import { Problem } from "./api.js";

const REST_MS = 2000;
const SHARE = 9; // rests nine times as long as an answer took: at most a tenth of the time is spent on asking
const MOST_REST_MS = 60_000;
const MOST_HEED_MS = 3_600_000; // of Retry-After; a timer of more than 24 days would end at once

/**
 * Runs `ask()` until `signal` aborts. `tell` hears {state: "live" | "waiting" | "stopped", seconds, problem} after each.
 * A Problem that `ask` throws slows it down (Retry-After is heeded); 401 ends it. Another error does, too: what is shown
 * would be old, and nobody would be told.
 */
export class Poller {
  #ask;
  #tell;
  #signal;
  #timer = 0;
  #asking = false;
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

  /** Asks now, unless it is asking or the page is hidden. */
  soon() {
    if (this.#asking || document.hidden || this.#signal.aborted) return;
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
      this.#tell({ state: "live", seconds: Math.round(rest / 1000) });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) reportError(error);
      rest = this.#backOff(error instanceof Problem ? error : new Problem({ code: "internal" }));
      if (rest === null) return;
    } finally {
      this.#asking = false;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.soon(), rest);
  }

  /** How long to rest after a refusal; null: there is no use in asking again. */
  #backOff(problem) {
    if (problem.status >= 400 && problem.status < 500 && problem.status !== 429 && problem.status !== 408) {
      this.#tell({ state: "stopped", problem });
      return null;
    }
    const grown = Math.min(MOST_REST_MS, REST_MS * 2 ** this.#failures++);
    const heeded = Math.min(MOST_HEED_MS, (problem.retryAfter ?? 0) * 1000);
    const rest = Math.max(grown, heeded) * (1 + Math.random() / 4);
    this.#tell({ state: "waiting", seconds: Math.round(rest / 1000), problem });
    return rest;
  }
}
