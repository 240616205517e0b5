// The pages of a list that goes on by a cursor, and the buttons that turn them.

import { h } from "./dom.js";
import { count } from "./format.js";
import { attempt, button } from "./parts.js";
import { t } from "./words.js";

/**
 * `ask({limit, cursor}, signal)` gives a page, `draw(page)` shows it and gives how many it holds; a queue that is not there
 * has a page without `messages`. Gives the buttons as `node`, and `first()` to load the first page; nothing is loaded once
 * `signal` has aborted. A load takes the place of one that is under way, so that what is shown is what was asked for last.
 */
export function pager({ limit, ask, draw, words: [backward, onward], signal: ended }) {
  const where = h("span", { class: "where" });
  const back = button(backward, () => load(cursors.slice(0, -1)));
  const forward = button(onward, () => load([...cursors, next]));
  const node = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);
  let loading = new AbortController();
  let cursors = [""]; // of the pages up to this one
  let next = null;

  function load(wanted) {
    loading.abort();
    loading = new AbortController();
    const signal = AbortSignal.any([ended, loading.signal]);
    if (signal.aborted) return undefined;
    return attempt(null, async () => {
      let page;
      try {
        page = await ask({ limit, cursor: wanted.at(-1) }, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error.code !== "queue-not-found") throw error;
        page = { messages: [], next_cursor: null };
      }
      cursors = wanted;
      next = page.next_cursor;
      const from = (cursors.length - 1) * limit;
      const held = draw(page);
      where.textContent = held ? t("page.span", { from: count(from + 1), to: count(from + held) }) : "";
      back.disabled = cursors.length === 1;
      forward.disabled = next === null;
      node.hidden = cursors.length === 1 && next === null;
    });
  }

  return { node, first: () => load([""]) };
}
