// The words of the page in the language chosen: the browser's, until somebody chooses another.

import { kept } from "./kept.js";
import en from "./words-en.js";
import es from "./words-es.js";

const LANGUAGES = { en, es };
const PLACE = "pulpo.language";

const choices = kept("localStorage");

let chosen = choices.get(PLACE);
if (!Object.hasOwn(LANGUAGES, chosen)) {
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => Object.hasOwn(LANGUAGES, tag));
  chosen = wanted ?? "en";
}

/** "en" or "es". */
export function language() {
  return chosen;
}

export function chooseLanguage(tag) {
  chosen = tag;
  choices.put(PLACE, tag);
}

/** The words under `key`, with each {name} replaced by its value. */
export function t(key, values = {}) {
  return LANGUAGES[chosen][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
