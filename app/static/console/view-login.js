// The login.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { age } from "./format.js";
import { said } from "./notices.js";
import { field } from "./parts.js";
import { t } from "./words.js";

/** Shows the form in `main`; `why` says why one has to log in again. `onDone` is called once there is a token. */
export function loginView(main, why, onDone) {
  const username = field(
    t("login.username"),
    h("input", { name: "username", autocomplete: "username", required: true }),
  );
  const password = field(
    t("login.password"),
    h("input", { name: "password", type: "password", autocomplete: "current-password", required: true }),
  );
  for (const each of [username, password]) each.control.setAttribute("autocapitalize", "none");
  const trouble = h("p", { class: "trouble-text", role: "alert" });
  const submit = h("button", { type: "submit", class: "first" }, t("login.submit"));
  const form = h(
    "form",
    { class: "card login" },
    h("img", { src: "console/pulpo.svg", alt: "", width: "56", height: "56" }),
    h("h1", {}, t("login.title")),
    why ? h("p", { class: "why" }, why) : null,
    username.node,
    password.node,
    trouble,
    submit,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.getAttribute("aria-disabled") === "true") return;
    submit.setAttribute("aria-disabled", "true");
    trouble.textContent = "";
    try {
      await api.login(username.control.value, password.control.value);
    } catch (error) {
      if (!(error instanceof api.Problem)) throw error;
      trouble.textContent = refusal(error);
      password.control.select();
      return;
    } finally {
      submit.removeAttribute("aria-disabled");
    }
    password.control.value = "";
    await onDone();
  });
  fill(main, form);
  username.control.focus();
}

function refusal(problem) {
  if (problem.status === 401) return t("login.wrong");
  if (problem.status === 429) return t("login.wait", { age: age(problem.retryAfter ?? 1) });
  return said(problem);
}
