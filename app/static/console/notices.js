// What the page tells at its foot, and the words for what Pulpo refuses.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { language, t } from "./words.js";

const NOTICE_MS = 8000;
const MOST = 3; // at a time: more would hide the page
const SAID = {
  unreachable: "problem.unreachable",
  "rate-limited": "problem.rate-limited",
  "queue-not-found": "problem.queue-not-found",
  "queue-paused": "problem.queue-paused",
  "queue-full": "problem.queue-full",
  "message-not-found": "problem.message-not-found",
  "lease-lost": "problem.lease-lost",
  "precondition-failed": "problem.precondition-failed",
  "store-unavailable": "problem.store-unavailable",
  overloaded: "problem.overloaded",
  internal: "problem.internal",
};
// Of these the API says more, but in English only.
const DETAILED = {
  forbidden: "problem.forbidden",
  conflict: "problem.conflict",
  "message-too-large": "problem.message-too-large",
  "request-too-large": "problem.request-too-large",
  "store-full": "problem.store-full",
  "not-durable": "problem.not-durable",
};

/** What a refusal says: in the words of the page if it is a common one, else in the API's. */
export function said(problem) {
  if (Object.hasOwn(SAID, problem.code)) return t(SAID[problem.code]);
  const isDetailed = Object.hasOwn(DETAILED, problem.code);
  if (isDetailed && (language() !== "en" || !problem.detail)) return t(DETAILED[problem.code]);
  return problem.detail || t("problem.internal");
}

/** Tells something, once if it is told again; trouble stays until it is closed, or too much else was told since. */
export function notify(text, { isTrouble = false } = {}) {
  const notices = document.getElementById("notices");
  const same = [...notices.children].find((each) => each.firstChild.textContent === text);
  const close = h("button", { type: "button", class: "plain", "aria-label": t("notice.close") }, icon("close"));
  const notice = h("p", { class: isTrouble ? "notice trouble" : "notice" }, h("span", {}, text), close);
  close.addEventListener("click", () => take(notice));
  notices.append(notice);
  if (same) take(same);
  while (notices.children.length > MOST) take(notices.firstChild);
  if (!isTrouble) setTimeout(() => take(notice), NOTICE_MS);
}

/** Takes a notice away; the focus, if it was there, goes to another one or to the page. */
function take(notice) {
  const hadFocus = notice.contains(document.activeElement);
  const next = notice.nextElementSibling ?? notice.previousElementSibling;
  notice.remove();
  if (hadFocus) (next?.querySelector("button") ?? document.getElementById("main")).focus({ preventScroll: true });
}
