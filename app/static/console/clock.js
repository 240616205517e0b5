// What time it is at Pulpo: the clock of this machine may be wrong.

const NOISE_MS = 2000; // Date has whole seconds, and an answer takes its time

let ahead = 0; // ms that Pulpo's clock is ahead of this one

/** Takes in the `Date` of an answer. */
export function hear(date) {
  const found = Date.parse(date) - Date.now();
  if (!Number.isNaN(found)) ahead = Math.abs(found) > NOISE_MS ? found : 0;
}

/** Milliseconds since 1970. */
export const now = () => Date.now() + ahead;
