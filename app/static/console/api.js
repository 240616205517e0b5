// Calls Pulpo's public API, and nothing else.

import { hear } from "./clock.js";
import { parseKeeping } from "./exact.js";
import { begin, end, session, token } from "./session.js";

const BASE = new URL("./", document.baseURI); // the API lies beside the page
const MOST_SECONDS = 20;
const PAGE = 1000;
const MOST_PAGES = 10; // of queues: more would be too much for the page, and for whoever reads it

/** A refusal: what the API's problem+json says; code "unreachable" if nothing was answered. */
export class Problem extends Error {
  constructor({ status = 0, code = "unreachable", detail = "", errors = [], retryAfter = null } = {}) {
    super(detail || code);
    Object.assign(this, { status, code, detail, errors, retryAfter });
  }
}

/**
 * One call. `body`: a value for JSON, or a text with `type`; `last`: the token to call with, of a session that has ended.
 * Gives `{data, tag}`; with `exact` each message in it is its own text. Throws Problem, or an
 * AbortError if `signal` aborts.
 */
async function call(method, path, { query = {}, body, type, headers = {}, signal, exact = false, last = null } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const mine = last ?? token();
  const sent = { ...headers };
  if (mine) sent.Authorization = `Bearer ${mine}`;
  if (body !== undefined) sent["Content-Type"] = type ?? "application/json";
  const timeout = AbortSignal.timeout(MOST_SECONDS * 1000);
  const options = {
    method,
    headers: sent,
    body: body === undefined || type ? body : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    keepalive: last !== null, // whoever logs out may close the tab at once
    referrerPolicy: "no-referrer",
  };
  let response, text;
  try {
    response = await fetch(url, options);
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem();
  }
  hear(response.headers.get("Date"));
  // Nobody hears what was answered to somebody who was here before.
  if (last === null && token() !== mine) throw new Problem({ status: 401, code: "unauthenticated" });
  if (!response.ok) {
    const problem = problemOf(response, text);
    if (response.status === 401) end(mine);
    if (response.status === 403 && path !== "me" && last === null) session.dispatchEvent(new Event("forbidden")); // who hears it asks me
    throw problem;
  }
  const data = exact ? parsed(text, parseKeeping) : parsed(text);
  if (data === null) throw new Problem({ code: "internal" });
  return { data, tag: response.headers.get("ETag") };
}

/** What is no problem+json is not from Pulpo, nor its nginx: of that only the status is believed. */
function problemOf({ status, headers }, text) {
  const { code, detail, errors } = parsed(text) ?? {};
  return new Problem({
    status,
    code: typeof code === "string" ? code : "internal",
    detail: typeof detail === "string" ? detail : "",
    errors: Array.isArray(errors) ? errors : [],
    retryAfter: Number(headers.get("Retry-After")) || null,
  });
}

/** The JSON object that `text` is; null if it is none, and so not from Pulpo. */
function parsed(text, parse = JSON.parse) {
  try {
    const value = parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

const of = (queue, rest = "") => `queues/${encodeURIComponent(queue)}${rest}`;
const data = async (...args) => (await call(...args)).data;

export async function login(username, password) {
  const answer = await data("POST", "login", { body: { username, password } });
  begin(answer.access_token);
}

/** Ends the session here at once, then the token at the API; throws Problem if that may still be good there. */
export async function logout() {
  const last = token();
  end(last);
  try {
    await call("POST", "logout", { last });
  } catch (error) {
    if (error.status !== 401) throw error;
  }
}

export const me = () => data("GET", "me");

/** The queues that the caller may count, a thousand to a request: `{all, isCut}`, cut after ten thousand. */
export async function queues(signal) {
  const all = [];
  let cursor = "";
  for (let pages = 0; pages < MOST_PAGES && cursor !== null; pages++) {
    const page = await data("GET", "queues", { query: { details: true, limit: PAGE, cursor }, signal });
    if (!Array.isArray(page.queues)) throw new Problem({ code: "internal" });
    all.push(...page.queues);
    cursor = page.next_cursor;
  }
  return { all, isCut: cursor !== null };
}

export const queue = (name, signal) => call("GET", of(name), { signal });
export const browse = (name, query, signal) => data("GET", of(name, "/messages"), { query, signal, exact: true });
export const dead = (name, query, signal) => data("GET", of(name, "/dead"), { query, signal, exact: true });
export const drop = (name, id) => data("DELETE", of(name, `/dead/${encodeURIComponent(id)}`));
export const redrive = (name, which) => data("POST", of(name, "/redrive"), { body: which });
export const pop = (name, options) => data("POST", of(name, "/pop"), { body: options, exact: true });
export const ack = (receipt) => data("POST", "ack", { body: { receipt } });
export const nack = (receipt, options) => data("POST", "nack", { body: { receipt, ...options } });
export const pause = (name, options) => data("POST", of(name, "/pause"), { body: options });
export const resume = (name) => data("POST", of(name, "/resume"), { body: { operation: "both" } });
export const purge = (name, state) => data("POST", of(name, "/purge"), { query: { confirm: name, state } });
export const remove = (name) => data("DELETE", of(name), { query: { confirm: name } });
export const audit = (query, signal) => data("GET", "audit", { query, signal });

export function change(name, patch, tag) {
  return call("PATCH", of(name), { body: patch, headers: tag ? { "If-Match": tag } : {} });
}

/** Pushes `text`: JSON as it is written, or plain text. The same `key` never pushes twice. */
export function push(name, text, options, { isJson, key }) {
  const headers = { "Idempotency-Key": key };
  if (!isJson) {
    return data("POST", of(name, "/push"), { body: text, type: "text/plain; charset=utf-8", query: options, headers });
  }
  JSON.parse(text); // a whole value of its own, or a SyntaxError: so nothing can be slipped in beside it
  const rest = JSON.stringify(options).slice(1);
  const body = `{"message":${text}${rest === "}" ? rest : `,${rest}`}`;
  return data("POST", of(name, "/push"), { body, type: "application/json", headers });
}
