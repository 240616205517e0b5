// Makes and changes elements. Text enters as text only: nothing here, or anywhere else, reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Props: `class`, DOM properties, else attributes; null and false are left out. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element of a drawing. */
export function s(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Changes a text only where it differs, so that what is selected or read aloud is left in peace. */
export function write(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Sets an attribute, or takes it away if the value is null. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Shows `items` as children of `parent`, in order; a child whose key stays is updated and not made anew, and keeps the
 * focus.
 */
export function keyed(parent, items, keyOf, make, update) {
  const known = (parent.keyedChildren ??= new Map());
  const kept = new Set(items.map(keyOf));
  for (const [key, child] of known) {
    if (kept.has(key)) continue;
    child.remove();
    known.delete(key);
  }
  const focused = document.activeElement;
  items.forEach((item, place) => {
    const key = keyOf(item);
    let child = known.get(key);
    if (!child) known.set(key, (child = make(item)));
    update(child, item);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  if (document.activeElement !== focused && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** Puts `children` in the place of all that `parent` holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(2).filter(Boolean));
}
