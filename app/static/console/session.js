// Who is logged in, in this tab and until it is closed: the token lies in the session storage, in no cookie, in no URL.

import { kept } from "./kept.js";

const TOKEN = "pulpo.token";

/** Tells of "signedout", once for each token that ended, and of "forbidden" whenever something was refused. */
export const session = new EventTarget();

const tab = kept("sessionStorage");

let me = null; // what GET /me answered: username, roles, permissions

export function token() {
  return tab.get(TOKEN);
}

export function begin(newToken) {
  tab.put(TOKEN, newToken);
}

/** Forgets `ended`, unless another token came meanwhile. */
export function end(ended) {
  if (ended === null || token() !== ended) return;
  tab.drop(TOKEN);
  me = null;
  session.dispatchEvent(new Event("signedout"));
}

export function whoAmI() {
  return me;
}

export function remember(who) {
  me = who;
}
