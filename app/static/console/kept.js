// What the browser keeps for the page. Where it keeps nothing, what is put here lasts until the page is loaded anew.

/** The storage of that name, "localStorage" or "sessionStorage", which may be blocked or full. */
export function kept(storage) {
  const here = new Map();

  function tried(work) {
    try {
      return work(window[storage]);
    } catch (error) {
      if (error instanceof DOMException) return undefined;
      throw error;
    }
  }

  return {
    get: (name) => here.get(name) ?? tried((place) => place.getItem(name)) ?? null,
    put(name, value) {
      const isKept = tried((place) => [place.setItem(name, value)]);
      if (isKept) here.delete(name);
      else here.set(name, value);
    },
    drop(name) {
      here.delete(name);
      tried((place) => place.removeItem(name));
    },
  };
}
