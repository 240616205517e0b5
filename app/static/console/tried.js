// What somebody typed and popped by hand at each queue, until they log out: the cards that show it come and go.

const queues = new Map();

/**
 * Of `queue`: `push` and `pop`, what is typed in their fields by name; `key`, of the push that is typed; `result`, what the
 * last pop came to: {message}, {note} with a key of words, or null; `isPopping`; `draw()`, which shows the result.
 */
export function triedAt(queue) {
  if (!queues.has(queue)) {
    queues.set(queue, { push: {}, pop: {}, key: null, result: null, isPopping: false, draw() {} });
  }
  return queues.get(queue);
}

/** Fills `fields` with what was `typed`, and keeps what is typed in `form` from now on. */
export function keep(form, fields, typed) {
  const controls = Object.entries(fields).map(([name, { control }]) => [name, control]);
  for (const [name, control] of controls) if (Object.hasOwn(typed, name)) control.value = typed[name];
  form.addEventListener("input", () => {
    for (const [name, control] of controls) typed[name] = control.value;
  });
}

/** Forgets all: the next to log in shall not see it. */
export function forget() {
  queues.clear();
}
