// Says on the node what it found out, and why it was stopped. ComfyUI itself shows text on its own nodes only.
import { app } from "../../scripts/app.js";
import { table } from "./table.js";
import { refusal, verdicts } from "./words.js";

const WIDGET = "mintmark_told";
const STALE = "is-stale";
const TALLEST = 220;
const PADDING = 8;
const MARGIN = 10; // what ComfyUI keeps free around a widget made of HTML

/** Show text that a run gave the node, and `buttons` under it. */
export function show(node, text, buttons = []) {
  const judged = verdicts(text)?.map(verdictLine);
  fill(node, "plain", [...(judged ?? [table(text) ?? line("mintmark-words", text)]), ...buttons]);
}

/** Show why the node failed, from ComfyUI's event of it; `openKeys` opens the keys of a provider. */
export function refuse(detail, openKeys) {
  const node = locate(detail?.node_id);
  if (!String(node?.comfyClass ?? "").startsWith("Mintmark")) return;
  const { title, words, fine, keys, whole } = refusal(String(detail.exception_message ?? ""), node.comfyClass);
  const parts = [line("mintmark-title", title), Object.assign(line("mintmark-words", words), { title: whole })];
  if (fine) parts.push(line("mintmark-fine", fine));
  if (keys) parts.push(button("Open the keys …", () => openKeys(providerIn(node))));
  fill(node, "refused", parts);
}

/** A button that stands on a node. */
export function button(textContent, action) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent });
  made.className = "mintmark-button";
  made.addEventListener("click", action);
  return made;
}

const spared = new Set();
let queueing = Promise.resolve();

/** The prompt that `queued` becomes is one node's alone: what the others said before it still holds. */
export async function spare(queued) {
  queueing = queued.then(({ prompt_id: id }) => spared.add(id));
  await queueing;
}

/** An earlier run's words stay dim until this one says them again: what stops before a node must not look allowed. */
export async function dim({ prompt_id: id } = {}) {
  await queueing.catch(() => {}); // ComfyUI may begin before it has answered
  if (spared.has(id)) return;
  for (const [, box] of told()) box.classList.add(STALE);
}

/** Nodes that ran from ComfyUI's cache said what they say before, and it still holds. */
export function brighten(ids) {
  for (const id of ids) boxOf(locate(id))?.classList.remove(STALE);
}

/** A run came to its end: why an earlier one was stopped is no news any more. */
export function clear() {
  for (const [node, box] of [...told()]) {
    if (!box.matches(`.is-refused.${STALE}`)) continue;
    node.removeWidget?.(node.widgets.find((each) => each.name === WIDGET));
    node.setDirtyCanvas?.(true, true);
  }
}

/** Each node that says something, with the box it says it in. */
function* told() {
  const graphs = [app.rootGraph ?? app.graph];
  for (let graph = graphs.pop(); graph; graph = graphs.pop()) {
    for (const node of graph._nodes ?? []) {
      if (node.subgraph) graphs.push(node.subgraph);
      const box = boxOf(node);
      if (box) yield [node, box];
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

function verdictLine({ decision, words }) {
  const made = line("mintmark-verdict mintmark-words", "");
  const decided = document.createElement("strong");
  Object.assign(decided, { className: `is-${decision}`, textContent: decision });
  made.append(decided, `: ${words}`);
  return made;
}

function providerIn(node) {
  const name = node.widgets?.find((each) => each.name === "model")?.value;
  return String(name ?? "").includes("/") ? name.split("/")[0] : undefined;
}
