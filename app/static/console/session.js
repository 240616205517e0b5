// Who is logged in, in this tab and until it is closed: the token lies in the session storage, in no cookie, in no URL.

const TOKEN = "pulpo.token";

/** Tells of "signedout", once for each token that ended, and of "forbidden" whenever something was refused. */
export const session = new EventTarget();

let me = null; // what GET /me answered: username, roles, permissions

export function token() {
  return sessionStorage.getItem(TOKEN);
}

export function begin(newToken) {
  sessionStorage.setItem(TOKEN, newToken);
}

/** Forgets `ended`, unless another token came meanwhile. */
export function end(ended) {
  if (ended === null || token() !== ended) return;
  sessionStorage.removeItem(TOKEN);
  me = null;
  session.dispatchEvent(new Event("signedout"));
}

export function whoAmI() {
  return me;
}

export function remember(who) {
  me = who;
}
