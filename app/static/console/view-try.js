// Push a message and pop one, by hand.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { count, moment } from "./format.js";
import { whole } from "./messages.js";
import { notify } from "./notices.js";
import { attempt, button, field, select, showFaults } from "./parts.js";
import { may } from "./rights.js";
import { keep, triedAt } from "./tried.js";
import { t } from "./words.js";

/** Shows both for `queue` in `part`; `changed` is called when something was pushed or popped. */
export function tryView(part, context) {
  fill(
    part,
    h(
      "div",
      { class: "cards" },
      may("push", context.queue) ? pushCard(context) : null,
      may("pop", context.queue) ? popCard(context) : null,
    ),
  );
}

function pushCard({ queue, changed }) {
  const tried = triedAt(queue);
  const kind = field(
    t("push.kind"),
    select([
      ["json", "JSON"],
      ["text", t("push.text")],
    ]),
  );
  const body = field(t("push.body"), h("textarea", { rows: 7, spellcheck: "false" }, '{"order": 42}'), t("push.hint"));
  const delay = field(t("push.delay"), h("input", { type: "number", min: "0", step: "any", inputmode: "decimal" }));
  const ttl = field(t("push.ttl"), h("input", { type: "number", min: "0", step: "any", inputmode: "decimal" }));
  const priority = field(
    t("message.priority"),
    select([
      ["", t("priority.normal")],
      ["high", t("priority.high")],
      ["low", t("priority.low")],
    ]),
  );
  const group = field(t("message.group"), h("input", { autocomplete: "off", spellcheck: "false" }));
  const submit = h("button", { type: "submit", class: "first" }, t("push.submit"));
  const fields = { delay, ttl, priority, group, message: body };
  const form = h(
    "form",
    { class: "card" },
    h("h2", {}, t("push.title")),
    kind.node,
    body.node,
    h("div", { class: "pair" }, delay.node, ttl.node, priority.node, group.node),
    h("div", { class: "actions" }, submit),
  );
  keep(form, { kind, ...fields }, tried.push);
  tried.key ??= newKey(); // so that a push whose answer was lost can be sent again
  form.addEventListener("input", () => (tried.key = newKey()));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const each of Object.values(fields)) each.fail("");
    const options = {};
    for (const name of ["delay", "ttl"])
      if (fields[name].control.value) options[name] = Number(fields[name].control.value);
    for (const name of ["priority", "group"])
      if (fields[name].control.value) options[name] = fields[name].control.value;
    await attempt(submit, async () => {
      try {
        const { id } = await api.push(queue, body.control.value, options, {
          isJson: kind.control.value === "json",
          key: tried.key,
        });
        tried.key = newKey();
        notify(t("push.done", { id }));
        changed();
      } catch (error) {
        if (error instanceof SyntaxError) body.refuse(t("push.no-json"));
        else if (!showFaults(error, fields)) throw error;
      }
    });
  });
  return form;
}

function popCard({ queue, changed }) {
  const tried = triedAt(queue);
  const how = field(
    t("pop.how"),
    select([
      ["lease", t("pop.lease")],
      ["take", t("pop.take")],
    ]),
  );
  const lease = field(
    t("pop.seconds"),
    h("input", { type: "number", min: "1", max: "43200", value: "30", inputmode: "numeric" }),
  );
  const submit = h("button", { type: "submit", class: "first" }, t("pop.submit"));
  const result = h("div", { class: "result" });
  const form = h(
    "form",
    { class: "card" },
    h("h2", {}, t("pop.title")),
    h("div", { class: "pair" }, how.node, lease.node),
    h("div", { class: "actions" }, submit),
    result,
  );
  keep(form, { how, lease }, tried.pop);
  how.control.addEventListener("change", drawLease);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    lease.fail("");
    attempt(submit, pop);
  });
  if (tried.result?.note) tried.result = null; // it was said
  tried.draw = draw;
  drawLease();
  draw();
  return form;

  function drawLease() {
    lease.node.hidden = how.control.value !== "lease";
  }

  async function pop() {
    if (tried.isPopping) return; // for a card that was here before, in another language
    tried.isPopping = true;
    try {
      const isLeased = how.control.value === "lease";
      const message = await api.pop(queue, isLeased ? { lease: Number(lease.control.value) } : {});
      tried.result = message.id === null ? { note: "pop.none" } : { message };
      tried.draw();
      changed();
    } catch (error) {
      if (!showFaults(error, { lease })) throw error;
    } finally {
      tried.isPopping = false;
    }
  }

  async function settle({ send, done }) {
    const mine = tried.result;
    if (mine.isSettling) return;
    mine.isSettling = true;
    try {
      await send(mine.message.receipt);
    } finally {
      mine.isSettling = false;
    }
    changed();
    if (tried.result !== mine) return; // another was popped meanwhile, and may be nowhere but here
    tried.result = { note: done };
    tried.draw();
    submit.focus();
  }

  function draw() {
    if (tried.result === null) fill(result, []);
    else if (tried.result.note) fill(result, h("p", { class: "note" }, t(tried.result.note)));
    else fill(result, delivery(tried.result.message, settle));
  }
}

const SETTLEMENTS = [
  { label: "pop.ack", done: "pop.acked", kind: "first", send: (receipt) => api.ack(receipt) },
  { label: "pop.back", done: "pop.given", kind: "", send: (receipt) => api.nack(receipt, { delay: 0 }) },
  {
    label: "pop.reject",
    done: "pop.rejected",
    kind: "risky",
    send: (receipt) => api.nack(receipt, { dead: true, error: t("pop.error") }),
  },
];

/** A message that was popped, and the ways to settle it if it has a receipt. */
function delivery(message, settle) {
  const line = t("pop.got", { attempt: count(message.attempt), pushed: moment(message.pushed_at) });
  const words = message.receipt ? t("pop.yours", { end: moment(message.lease_expires_at) }) : t("pop.taken");
  const ways = SETTLEMENTS.map((way) => button(t(way.label), (node) => attempt(node, () => settle(way)), way.kind));
  return [
    h("p", {}, line),
    whole(message),
    h("p", { class: "hint" }, words),
    message.receipt ? h("div", { class: "actions start" }, ways) : null,
  ];
}

/** A key that nobody else has. */
function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
