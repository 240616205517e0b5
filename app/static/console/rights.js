// What the caller may do, as GET /me tells, so that nothing is shown that would be refused. The server decides all the same.

import { whoAmI } from "./session.js";

/** Whether the caller may do `action` (push, pop, count, peek, manage) to `queue`. */
export function may(action, queue) {
  const permissions = whoAmI()?.permissions ?? [];
  return permissions.some((permission) => {
    const colon = permission.indexOf(":");
    return colon > 0 && permission.slice(0, colon) === action && fits(permission.slice(colon + 1), queue);
  });
}

export function isAdmin() {
  return whoAmI()?.permissions.includes("admin") ?? false;
}

/** Whether `pattern`, where * stands for anything, fits the whole of `queue`. */
function fits(pattern, queue) {
  const [first, ...rest] = pattern.split("*");
  if (!rest.length) return queue === first;
  const last = rest.pop();
  if (!queue.startsWith(first) || !queue.endsWith(last) || queue.length < first.length + last.length) return false;
  let from = first.length;
  const end = queue.length - last.length;
  for (const part of rest) {
    const found = queue.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}
