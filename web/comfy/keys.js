// The keys of the providers: which there are, set, forget, try. A key goes one way, from the field to the pack's route;
// no answer holds one, and nothing of it stays on the page.
import { api } from "../../scripts/api.js";
import { load as loadCatalog } from "./catalog.js";

const STATES = {
  missing: "no key",
  environment: "from the environment",
  keyring: "in the keyring",
  file: "in a file only you can read",
  unusable: "cannot be used",
};
const INTRO =
  "A key lets you pay a provider for images. It is kept on the machine ComfyUI runs on, in the system's keyring, or " +
  "in a file only you can read. It is never shown again and never part of a workflow or an image.";
const SANDBOX = "This ComfyUI plays in the sandbox: images are made up and cost nothing, and no key is sent anywhere.";
let dialog = null;

/** Open the dialogue; with the field of `provider` under the cursor. */
export async function open(provider) {
  dialog ??= make();
  if (!dialog.open) dialog.showModal();
  await fill();
  const wanted = dialog.querySelector(`[data-provider="${CSS.escape(String(provider))}"] input`);
  (wanted ?? dialog.querySelector("input:enabled"))?.focus();
}

function make() {
  const made = element("dialog", "mintmark-keys");
  const close = element("button", "mintmark-close", "×");
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => made.close());
  const head = element("header", "", element("h2", "", "Provider keys"), close);
  made.append(head, element("p", "mintmark-intro", INTRO), element("div", "mintmark-rows"));
  // The canvas has shortcuts of its own, and a key may well contain an "r" for "refresh".
  for (const event of ["keydown", "keyup", "paste", "copy"]) {
    made.addEventListener(event, (each) => each.stopPropagation());
  }
  made.addEventListener("click", (event) => event.target === made && made.close());
  made.addEventListener("close", () => made.querySelectorAll("input").forEach((each) => (each.value = "")));
  document.body.append(made);
  return made;
}

async function fill() {
  const rows = dialog.querySelector(".mintmark-rows");
  if (!rows.children.length) rows.append(element("p", "mintmark-note", "One moment …"));
  try {
    const { mode, providers } = await call("GET", "/mintmark/keys");
    const notes = mode === "sandbox" ? [element("p", "mintmark-note", SANDBOX)] : [];
    rows.replaceChildren(...notes, ...providers.map(row));
  } catch (error) {
    rows.replaceChildren(element("p", "mintmark-note is-bad", error.message));
  }
}

function row(told) {
  const { provider, title, site, variable, state, problem } = told;
  const [kept, fixed] = [state === "keyring" || state === "file", state === "environment"];
  const name = element("div", "mintmark-name", element("strong", "", title), pill(state));
  if (site && state === "missing") name.append(link(site));
  const asks = kept ? "paste another to replace it" : "paste the key";
  const field = secretField(title, fixed ? `set by ${variable}` : asks);
  field.disabled = fixed;
  const said = element("div", "mintmark-said", problem ?? "");
  said.setAttribute("role", "status");
  said.classList.toggle("is-bad", Boolean(problem));
  const made = element("section", "mintmark-row");
  made.dataset.provider = provider;
  made.dataset.state = state;
  const act = (work) => run(made, said, work);
  const save = button("Save", "is-main", () => act(() => set(provider, field)));
  save.disabled = true;
  field.addEventListener("input", () => (save.disabled = !field.value.trim()));
  field.addEventListener("keydown", (event) => event.key === "Enter" && !save.disabled && save.click());
  const tried = button("Test key", "", () => act(() => test(provider)));
  tried.disabled = state === "missing" || state === "unusable";
  const gone = button("Remove", "", () => act(() => remove(provider)));
  gone.disabled = !kept;
  made.append(name, element("div", "mintmark-line", field, save, tried, gone), said);
  return made;
}

/** Do it, with the row's buttons off meanwhile, and say what came of it; a changed key makes the row anew. */
async function run(made, said, work) {
  const buttons = [...made.querySelectorAll("button, input")].filter((each) => !each.disabled);
  buttons.forEach((each) => (each.disabled = true));
  speak(said, "One moment …", "");
  try {
    const { told, words, tone } = await work();
    if (!told) return speak(said, words, tone);
    const fresh = row(told);
    made.replaceWith(fresh);
    speak(fresh.querySelector(".mintmark-said"), words, tone);
    await loadCatalog();
  } catch (error) {
    speak(said, error.message, "bad");
  } finally {
    buttons.forEach((each) => (each.disabled = false));
  }
}

function speak(said, words, tone) {
  said.textContent = words;
  said.classList.toggle("is-good", tone === "good");
  said.classList.toggle("is-bad", tone === "bad");
}

async function set(provider, field) {
  const key = field.value;
  field.value = "";
  const told = await call("PUT", `/mintmark/keys/${provider}`, { key });
  return { told, words: `Kept ${STATES[told.state] ?? ""}.`, tone: "good" };
}

async function remove(provider) {
  const told = await call("DELETE", `/mintmark/keys/${provider}`, {});
  return { told, words: told.state === "missing" ? "Forgotten." : `Another one is ${STATES[told.state]}.`, tone: "" };
}

async function test(provider) {
  const { outcome, message } = await call("POST", `/mintmark/keys/${provider}/test`, {});
  return { words: message, tone: { works: "good", refused: "bad" }[outcome] ?? "" };
}

/** The route's answer. Throws an Error with words for people. */
async function call(method, path, body) {
  const sent = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await api.fetchApi(path, { method, cache: "no-store", ...sent }).catch(() => {
    throw new Error("ComfyUI does not answer. Start it again, or look at its window for what is wrong.");
  });
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  const { message, hint } = told?.error ?? {};
  throw new Error([message ?? `ComfyUI answers ${answer.status}.`, hint].filter(Boolean).join(" "));
}

function secretField(title, placeholder) {
  const field = element("input");
  Object.assign(field, { type: "password", placeholder, autocomplete: "off", spellcheck: false });
  field.setAttribute("aria-label", `Key for ${title}`);
  return field;
}

function pill(state) {
  return element("span", `mintmark-pill is-${state}`, STATES[state] ?? state);
}

function link(href) {
  const made = element("a", "", "get one ↗");
  Object.assign(made, { href, target: "_blank", rel: "noopener noreferrer" });
  return made;
}

function button(text, className, action) {
  const made = element("button", `mintmark-button ${className}`, text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function element(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}
