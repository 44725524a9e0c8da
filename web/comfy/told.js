// Says on the node what it found out, and why it was stopped. ComfyUI itself shows text on its own nodes only.
import { app } from "../../scripts/app.js";
import { table } from "./table.js";

const WIDGET = "mintmark_told";
const STALE = "is-stale";
const TALLEST = 220;
const PADDING = 8;
const MARGIN = 10; // what ComfyUI keeps free around a widget made of HTML
const NEEDS_KEY = new Set(["missing_key", "provider_auth"]);
const TITLES = {
  prompt_blocked: "Blocked: the prompt",
  output_blocked: "Blocked: the image",
  provider_blocked: "Blocked by the provider",
  missing_key: "A key is missing",
  provider_auth: "The key was refused",
  budget_exceeded: "Over the budget",
  allowance_exhausted: "Over what this run may spend",
};

/** Show text that a run gave the node. */
export function show(node, text, tone = "plain") {
  fill(node, tone, [table(text) ?? line("mintmark-words", text)]);
}

/** Show why the node failed, from ComfyUI's event of it; `openKeys` opens the keys of a provider. */
export function refuse(detail, openKeys) {
  const node = locate(detail?.node_id);
  if (!String(node?.comfyClass ?? "").startsWith("Mintmark")) return;
  const { words, code } = parted(String(detail.exception_message ?? ""));
  const parts = [line("mintmark-title", TITLES[code] ?? "Stopped"), line("mintmark-words", advice(code, words))];
  if (NEEDS_KEY.has(code)) parts.push(keyButton(providerIn(node), openKeys));
  fill(node, "refused", parts);
}

/** An earlier run's words stay dim until this one says them again: what stops before a node must not look allowed. */
export function dim() {
  for (const box of boxes()) box.classList.add(STALE);
}

/** Nodes that ran from ComfyUI's cache said what they say before, and it still holds. */
export function brighten(ids) {
  for (const id of ids) boxOf(locate(id))?.classList.remove(STALE);
}

function* boxes() {
  const graphs = [app.rootGraph ?? app.graph];
  for (let graph = graphs.pop(); graph; graph = graphs.pop()) {
    for (const node of graph._nodes ?? []) {
      if (node.subgraph) graphs.push(node.subgraph);
      const box = boxOf(node);
      if (box) yield box;
    }
  }
}

/** The node of an execution id; one inside a subgraph is "outer:inner". */
function locate(id) {
  let [graph, node] = [app.rootGraph ?? app.graph, undefined];
  for (const part of String(id ?? "").split(":")) {
    node = graph?.getNodeById?.(Number(part));
    graph = node?.subgraph;
  }
  return node;
}

function boxOf(node) {
  return node?.widgets?.find((each) => each.name === WIDGET)?.element;
}

function fill(node, tone, parts) {
  const box = boxOf(node) ?? addBox(node);
  box.className = `mintmark-told is-${tone}`;
  box.replaceChildren(...parts);
  // How tall the words are shows once they stand in their width, and how much of them once the node shows its images.
  watcherOf(node, box).observe(box);
  for (const part of parts) watcherOf(node, box).observe(part);
}

const watchers = new WeakMap();

function watcherOf(node, box) {
  if (!watchers.has(box)) watchers.set(box, new ResizeObserver(() => requestAnimationFrame(() => grow(node))));
  return watchers.get(box);
}

function addBox(node) {
  const box = document.createElement("div");
  // Not serialized: it is no input, so neither the graph nor a saved workflow holds it.
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => height(box) };
  const widget = node.addDOMWidget(WIDGET, "mintmark_text", box, options);
  widget.serialize = false;
  return box;
}

function height(box) {
  const [first, last] = [box.firstElementChild, box.lastElementChild];
  const words = first ? last.offsetTop + last.offsetHeight - first.offsetTop : 0;
  return Math.max(40, Math.min(TALLEST, words + 2 * (PADDING + MARGIN)));
}

/** Make room for the words; a node that is large enough keeps its size. */
function grow(node) {
  const [width, least] = node.computeSize?.() ?? node.size;
  if (node.size[1] < least) node.setSize?.([Math.max(node.size[0], width), least]);
  node.setDirtyCanvas?.(true, true);
}

function line(className, textContent) {
  return Object.assign(document.createElement("div"), { className, textContent });
}

/** On the page a missing key is a matter of two clicks; the error's own hint is for a terminal. */
function advice(code, words) {
  const first = /^[\s\S]*?\.(?=\s|$)/.exec(words)?.[0] ?? words;
  return code === "missing_key" ? `${first} Open the keys, paste yours, and press Run again.` : words;
}

function keyButton(provider, openKeys) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "mintmark-button" });
  button.textContent = "Open the keys …";
  button.addEventListener("click", () => openKeys(provider));
  return button;
}

function providerIn(node) {
  const name = node.widgets?.find((each) => each.name === "model")?.value;
  return String(name ?? "").includes("/") ? name.split("/")[0] : undefined;
}

/** "Message. Hint. [code]", as errors.py writes an error for a worker's event. */
function parted(message) {
  const found = /^([\s\S]*?)\s*\[([a-z_]+)\]\s*$/.exec(message);
  return found ? { words: found[1], code: found[2] } : { words: message, code: "" };
}
