// Joins the parts: the bar at the top, the login, and the view that the address names.

import * as api from "./api.js";
import { fill, h, mark, write } from "./dom.js";
import { age } from "./format.js";
import { forget as forgetHistory } from "./history.js";
import { icon } from "./icons.js";
import { kept } from "./kept.js";
import { notify, said } from "./notices.js";
import { button, empty } from "./parts.js";
import { isAdmin } from "./rights.js";
import { place, toAudit, toQueues } from "./router.js";
import { remember, session, token, whoAmI } from "./session.js";
import { forget as forgetTried } from "./tried.js";
import { auditView } from "./view-audit.js";
import { loginView } from "./view-login.js";
import { queueView } from "./view-queue.js";
import { forget as forgetSearch, queuesView } from "./view-queues.js";
import { chooseLanguage, language, t } from "./words.js";

const [top, main, skip] = ["top", "main", "skip"].map((id) => document.getElementById(id));
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const status = h("p", { class: "status", role: "status" });

let viewing = new AbortController(); // ends with the view
let shown = null; // the place that is shown, and how to turn to another part of it
let isLeaving = false;

start();

async function start() {
  skip.addEventListener("click", (event) => {
    event.preventDefault(); // the address names a place, not an element
    main.focus();
  });
  addEventListener("hashchange", show);
  addEventListener("click", ignoreHaste, { capture: true });
  addEventListener("keydown", ignoreHaste, { capture: true });
  prefersDark.addEventListener("change", drawTop);
  session.addEventListener("signedout", forgetAll);
  session.addEventListener("signedout", () => login(isLeaving ? "" : t("login.again")));
  session.addEventListener("forbidden", askWhoIAm);
  if (token()) await enter();
  else login("");
}

/** Nobody pops two messages, or pushes one twice, by a double click or a held Enter. */
function ignoreHaste(event) {
  const isClick = event.type === "click" && event.detail > 1 && event.target.closest("[type=submit]");
  const isWriting = event.target.matches("textarea") && !event.ctrlKey && !event.metaKey;
  const isEnter = event.type === "keydown" && event.repeat && event.key === "Enter" && !isWriting;
  if (!isClick && !isEnter) return;
  event.preventDefault();
  event.stopPropagation();
}

/** Finds out who has logged in, then shows where they want to go. */
async function enter() {
  drawTop();
  leaveView(empty(t("queues.loading")));
  try {
    remember(await api.me());
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    if (error.status !== 401) leaveView(empty(said(error), button(t("enter.again"), enter, "first")));
    return;
  }
  redraw();
}

/** Nothing of what somebody saw or did is there for the next to log in. */
function forgetAll() {
  forgetHistory();
  forgetTried();
  forgetSearch();
  document.getElementById("notices").replaceChildren();
}

function login(why) {
  drawTop();
  leaveView();
  document.title = `${t("login.submit")} · Pulpo`;
  loginView(main, why, enter);
}

async function leave() {
  isLeaving = true;
  const revoked = api.logout(); // shows the login before it waits
  isLeaving = false;
  try {
    await revoked;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    notify(t("logout.failed"), { isTrouble: true });
  }
}

/** Rights may have changed since: what is shown has to follow. */
async function askWhoIAm() {
  const before = JSON.stringify(whoAmI());
  try {
    remember(await api.me());
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return; // whoever is refused next asks again
  }
  if (JSON.stringify(whoAmI()) !== before) redraw();
}

function redraw() {
  shown = null;
  drawTop();
  show();
}

function leaveView(...instead) {
  closeDialogs();
  viewing.abort();
  viewing = new AbortController();
  shown = null;
  fill(main, instead);
}

/** What was asked about one place is called off in another. */
function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/** Shows what the address names. */
function show() {
  if (!whoAmI()) return;
  const wanted = place();
  document.title = `${wanted.queue ?? (wanted.view === "audit" ? t("audit.title") : t("queues.title"))} · Pulpo`;
  if (shown?.queue && shown.queue === wanted.queue) {
    closeDialogs();
    shown.turn(wanted.tab);
    return;
  }
  const isMove = shown !== null;
  leaveView();
  tell(null);
  if (wanted.view === "queue") {
    shown = { ...wanted, turn: queueView(main, wanted, tell, viewing.signal) };
  } else {
    if (wanted.view === "audit") auditView(main, viewing.signal);
    else queuesView(main, tell, viewing.signal);
    shown = wanted;
  }
  for (const link of top.querySelectorAll("nav a")) {
    const isHere = link.getAttribute("href") === (wanted.view === "audit" ? toAudit() : toQueues());
    mark(link, "aria-current", isHere ? "page" : null);
  }
  if (isMove) {
    scrollTo(0, 0);
    main.focus();
  }
}

/** Says how the asking goes; null: nothing is asked for. */
function tell(how) {
  status.className = `status ${how?.state ?? ""}`;
  if (how?.state === "live") write(status, t("status.live"));
  else if (how?.state === "waiting") write(status, `${said(how.problem)} ${t("status.again", { age: age(how.seconds) })}`);
  else write(status, "");
}

function drawTop() {
  document.documentElement.lang = language();
  skip.textContent = t("skip");
  const me = whoAmI();
  const links = me && [
    h("a", { href: toQueues() }, t("queues.title")),
    isAdmin() ? h("a", { href: toAudit() }, t("audit.title")) : null,
  ];
  fill(
    top,
    h(
      "a",
      { class: "brand", href: toQueues() },
      h("img", { src: "console/pulpo.svg", alt: "", width: "28", height: "28" }),
      "Pulpo",
    ),
    me ? h("nav", { "aria-label": t("top.label") }, links) : null,
    status,
    h(
      "div",
      { class: "mine" },
      languageButton(),
      schemeButton(),
      me ? h("span", { class: "who" }, me.username) : null,
      token() ? leaveButton() : null,
    ),
  );
}

function leaveButton() {
  const node = button("", leave, "plain");
  node.setAttribute("aria-label", t("top.logout"));
  node.append(icon("out"), h("span", {}, t("top.logout")));
  return node;
}

function languageButton() {
  const other = language() === "en" ? "es" : "en";
  const node = button(
    other === "es" ? "Español" : "English",
    () => {
      chooseLanguage(other);
      if (whoAmI()) redraw();
      else if (token()) enter();
      else login("");
      top.querySelector("[data-language]")?.focus();
    },
    "plain",
  );
  node.lang = other;
  node.dataset.language = other;
  return node;
}

function schemeButton() {
  const chosen = document.documentElement.dataset.scheme;
  const isDark = chosen ? chosen === "dark" : prefersDark.matches;
  const node = button(
    "",
    () => {
      const scheme = isDark ? "light" : "dark";
      document.documentElement.dataset.scheme = scheme;
      kept("localStorage").put("pulpo.scheme", scheme);
      node.replaceWith(schemeButton());
      top.querySelector("[data-scheme]").focus();
    },
    "plain",
  );
  node.dataset.scheme = "";
  node.setAttribute("aria-label", isDark ? t("top.light") : t("top.dark"));
  node.append(icon(isDark ? "sun" : "moon"));
  return node;
}
