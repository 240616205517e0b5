// The pages of a list that goes on by a cursor, and the buttons that turn them.

import { Problem } from "./api.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { said } from "./notices.js";
import { attempt, button, empty } from "./parts.js";
import { t } from "./words.js";

/**
 * `ask({limit, cursor}, signal)` gives a page, `draw(page)` shows it and gives how many it holds; a queue that is not there
 * has a page without `messages`. `instead(node)` shows `node`, or nothing, in the place of the rows.
 *
 * Gives the buttons as `node`; `start()` for the first page of another list, whose place is cleared at once and holds the
 * trouble if there is some; `first()` for the first page of the same, `again()` for the page that is shown. Nothing is
 * loaded once `signal` has aborted. A load takes the place of one that is under way, so that what is shown is what was asked
 * for last.
 */
export function pager({ limit, ask, draw, instead, words: [backward, onward], signal: ended }) {
  const where = h("span", { class: "where" });
  const back = button(backward, () => load(cursors.slice(0, -1)));
  const forward = button(onward, () => load([...cursors, next]));
  const node = h("nav", { class: "pages", "aria-label": t("page.label") }, back, where, forward);
  let loading = new AbortController();
  let cursors = [""]; // of the pages up to this one
  let next = null;
  show(true, true);

  function load(wanted, refused = null) {
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
        if (error.code === "queue-not-found") page = { messages: [], next_cursor: null };
        else if (refused && error instanceof Problem && error.status !== 401) return refused(error);
        else throw error;
      }
      cursors = wanted;
      next = page.next_cursor;
      const from = (cursors.length - 1) * limit;
      const held = draw(page);
      if (held === 0 && cursors.length > 1) return load(cursors.slice(0, -1)); // the last of the page went
      where.textContent = held ? t("page.span", { from: count(from + 1), to: count(from + held) }) : "";
      show(cursors.length === 1, next === null);
      return undefined;
    });
  }

  function show(isFirst, isLast) {
    showEnds(back, forward, isFirst, isLast);
    node.hidden = isFirst && isLast;
  }

  function start() {
    instead(null);
    show(true, true);
    return load([""], (problem) => instead(empty(said(problem), button(t("enter.again"), start, "first"))));
  }

  return { node, start, first: () => load([""]), again: () => load(cursors) };
}

/** Puts the button that leads nowhere out of use; if it has the focus, the other one gets it. */
export function showEnds(back, forward, isFirst, isLast) {
  const focused = document.activeElement;
  back.disabled = isFirst;
  forward.disabled = isLast;
  if (focused === forward && isLast) back.focus();
  if (focused === back && isFirst) forward.focus();
}
