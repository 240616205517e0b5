// JSON as it was written: numbers, the order of keys, and keys that are there twice, which JSON.parse would change or drop.

const COLON = /\s*:/y;
const TOKENS = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;
const DEPTHS = [1, 3]; // of the `message` of an answer, and of those in its `messages`

/** Reads an answer, but leaves each `message` the text that it is; however large it is, it is not parsed. */
export function parseKeeping(text) {
  const kept = [];
  let rest = "";
  let [done, depth] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (mark === "{" || mark === "[") depth++;
    else if (mark === "}" || mark === "]") depth--;
    if (mark !== '"') continue;
    const end = endOfString(text, at);
    COLON.lastIndex = end;
    if (DEPTHS.includes(depth) && text.slice(at, end) === '"message"' && COLON.test(text)) {
      const from = COLON.lastIndex;
      const to = endOfValue(text, from);
      rest += text.slice(done, from) + kept.length;
      kept.push(text.slice(from, to).trim());
      done = to;
      at = to - 1;
    } else at = end - 1;
  }
  const answer = JSON.parse(rest + text.slice(done));
  for (const each of [answer, ...(answer.messages ?? [])]) if ("message" in each) each.message = kept[each.message];
  return answer;
}

/** JSON with a line for each value; nothing but white space is changed. */
export function indented(text) {
  let out = "";
  let depth = 0;
  let before = "";
  for (const [token] of text.matchAll(TOKENS)) {
    const isEnd = token === "}" || token === "]";
    if (isEnd) depth--;
    const isNewLine = before === "," || (isEnd ? before !== "{" && before !== "[" : before === "{" || before === "[");
    out += isNewLine ? `\n${"  ".repeat(depth)}${token}` : before === ":" ? ` ${token}` : token;
    if (token === "{" || token === "[") depth++;
    before = token;
  }
  return out;
}

function endOfValue(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const mark = text[at];
    if (mark === '"') at = endOfString(text, at) - 1;
    else if (mark === "{" || mark === "[") depth++;
    else if (mark === "}" || mark === "]") depth--;
    if (depth < 0 || (depth === 0 && mark === ",")) return at;
  }
  throw new SyntaxError("The value has no end.");
}

function endOfString(text, from) {
  for (let at = text.indexOf('"', from + 1); at > 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
  throw new SyntaxError("The string has no end.");
}
