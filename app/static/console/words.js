// The words of the page in the language chosen: the browser's, until somebody chooses another.

import en from "./words-en.js";
import es from "./words-es.js";

const LANGUAGES = { en, es };
const PLACE = "pulpo.language";

let chosen = localStorage.getItem(PLACE);
if (!(chosen in LANGUAGES)) {
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES);
  chosen = wanted ?? "en";
}

/** "en" or "es". */
export function language() {
  return chosen;
}

export function chooseLanguage(tag) {
  chosen = tag;
  localStorage.setItem(PLACE, tag);
}

/** The words under `key`, with each {name} replaced by its value. */
export function t(key, values = {}) {
  return LANGUAGES[chosen][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
