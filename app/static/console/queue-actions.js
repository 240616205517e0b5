// What is done to a whole queue: each asks first, and gives whether it was done.

import * as api from "./api.js";
import { now } from "./clock.js";
import { count } from "./format.js";
import { notify } from "./notices.js";
import { ask, attempt, field, select } from "./parts.js";
import { t } from "./words.js";

const MINUTES = [0, 5, 60, 1440];

export async function pauseQueue(queue, pressed) {
  const operations = [
    ["both", t("pause.both")],
    ["push", t("pause.push")],
    ["pop", t("pause.pop")],
  ];
  const what = field(t("pause.what"), select(operations));
  const labels = [t("pause.open"), t("pause.minutes", { n: 5 }), t("pause.hour"), t("pause.day")];
  const how = field(t("pause.long"), select(MINUTES.map((minutes, place) => [String(minutes), labels[place]])));
  const isSure = await ask({
    title: t("pause.title", { queue }),
    text: t("pause.text"),
    confirm: t("queue.pause"),
    fields: [what.node, how.node],
  });
  if (!isSure) return false;
  const minutes = Number(how.control.value);
  const until = minutes ? new Date(now() + minutes * 60_000).toISOString() : null;
  return done(pressed, async () => {
    await api.pause(queue, { operation: what.control.value, until });
    return t("pause.done");
  });
}

export function resumeQueue(queue, pressed) {
  return done(pressed, async () => {
    await api.resume(queue);
    return t("resume.done");
  });
}

export async function purgeQueue(queue, pressed) {
  const states = [
    ["all", t("purge.all")],
    ["ready", t("state.ready")],
    ["delayed", t("state.delayed")],
    ["leased", t("state.leased")],
    ["dead", t("state.dead")],
  ];
  const which = field(t("purge.which"), select(states));
  const isSure = await ask({
    title: t("purge.title", { queue }),
    text: t("purge.text"),
    confirm: t("queue.purge"),
    mustType: queue,
    fields: [which.node],
    isGrave: true,
  });
  if (!isSure) return false;
  return done(pressed, async () => {
    const { purged, remaining } = await api.purge(queue, which.control.value);
    return t("purge.done", { purged: count(purged), remaining: count(remaining) });
  });
}

export async function deleteQueue(queue, pressed) {
  const isSure = await ask({
    title: t("delete.title", { queue }),
    text: t("delete.text"),
    confirm: t("queue.delete"),
    mustType: queue,
    isGrave: true,
  });
  if (!isSure) return false;
  return done(pressed, async () => {
    await api.remove(queue);
    return t("delete.done", { queue });
  });
}

/** Does `work` and tells in the words that it gives; whether it was done. */
async function done(pressed, work) {
  const words = await attempt(pressed, work);
  if (words !== undefined) notify(words);
  return words !== undefined;
}
