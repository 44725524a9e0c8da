// The price on each hosted node, in money, kept up with what the artist edits. Drawn as ComfyUI's own badges are, so it
// looks right on the classic canvas and on the newer nodes made of HTML alike.
import { app } from "../../scripts/app.js";
import { edition, isMissing, load, reaches } from "./catalog.js";
import { isHosted, modelWidget, read } from "./asked.js";
import { about, ending, isEnding, priceOf } from "./facts.js";
import { isLight } from "./theme.js";

export const SETTING = "Mintmark.Badges.Price";
const EVERY_MS = 150;
const KINDS = ["ending", "key", "price"]; // as they stand beside each other: the price keeps the corner
const COLORS = {
  price: { dark: ["#9ff0c8", "#123a2b"], light: ["#065f46", "#c9f5df"] },
  warning: { dark: ["#fcd58a", "#4a3212"], light: ["#8a4b08", "#fdeac6"] },
};
const NOTHING = { text: "", tone: "price" };
const drawnOf = new WeakMap();
let look = "dark";
let openKeys = () => {};

/** Follow the graph from now on; `onKey` opens the keys of a provider. */
export function watch(onKey) {
  openKeys = onKey;
  // Keys, themes, links and images change without a word to the node: looking is surer than hearing of each.
  setInterval(() => document.hidden || refreshAll(), EVERY_MS);
}

/** Give a new node its badges and its model combo a tooltip; both are made when they are shown. */
export function add(node) {
  const widget = modelWidget(node);
  if (!widget || !isHosted(node)) return;
  Object.defineProperty(widget, "tooltip", { configurable: true, enumerable: true, get: () => tooltip(node) });
  const badges = KINDS.map((kind) => () => drawn(node, kind));
  // The newer nodes take the first of the list for ComfyUI's own, and look at the list once: no later than now.
  if (node.badges.length) node.badges.push(...badges);
  else queueMicrotask(() => node.badges.push(...badges));
}

/** What the node's badges say now, in order. */
export function texts(node) {
  const told = said(node);
  return KINDS.map((kind) => told[kind]?.text).filter(Boolean);
}

function tooltip(node) {
  const asked = read(node);
  return asked.model ? about(asked.model, priceOf(asked)) : "Who makes the image.";
}

/** By kind, what there is to say. Whatever it reads of the widgets, the newer nodes follow by themselves. */
function said(node) {
  if (!edition() || !(app.extensionManager?.setting?.get?.(SETTING) ?? true) || !isHosted(node)) return {};
  if (isMissing()) return { price: { text: "prices did not load: try again", tone: "warning", onClick: load } };
  const asked = read(node);
  if (!asked.model) return unlisted(asked.name);
  const told = { price: cost(asked) };
  if (isEnding(asked.model)) told.ending = { text: ending(asked.model), tone: "warning" };
  if (!asked.model.key) told.key = needsKey(asked.model.provider);
  return told;
}

/** An app has its provider's own name, such as "fal/fal-ai/flux/krea"; other names that the catalog lacks are wrong. */
function unlisted(name) {
  if (name.split("/").length < 3) return { price: { text: "unknown model", tone: "warning" } };
  const [told, provider] = [{ price: { text: "price unknown", tone: "warning" } }, name.split("/")[0]];
  return reaches(provider) === false ? { ...told, key: needsKey(provider) } : told;
}

function needsKey(provider) {
  return { text: "needs a key", tone: "warning", provider };
}

function cost(asked) {
  const price = priceOf(asked);
  if (!price) return { text: "price unknown", tone: "warning" };
  const many = asked.count > 1 && price.microusd !== null ? ` · ${asked.count} images` : "";
  return { text: `${price.text}${many}`, tone: "price" };
}

/** The badge of this kind; the same object while it says the same, since clicks are told by where it was drawn. */
function drawn(node, kind) {
  const told = said(node)[kind] ?? NOTHING;
  const key = JSON.stringify([look, told]);
  const before = drawnOf.get(node) ?? {};
  if (before[kind]?.key === key) return before[kind].badge;
  const badge = made(told);
  drawnOf.set(node, { ...before, [kind]: { key, badge } });
  return badge;
}

function made({ text, tone, provider, onClick = provider && (() => openKeys(provider)) }) {
  const [fgColor, bgColor] = COLORS[tone][look];
  const shape = { fontSize: 12, padding: 7, height: 20, cornerRadius: 10 };
  return new window.LGraphBadge({ text, fgColor, bgColor, onClick, ...shape });
}

const seen = new WeakMap();

function refreshAll() {
  look = isLight() ? "light" : "dark";
  document.documentElement.dataset.mintmark = look; // the style sheet's accents must be read on either
  for (const node of app.canvas?.graph?._nodes ?? []) {
    if (!isHosted(node)) continue;
    const now = JSON.stringify([look, said(node)]);
    if (seen.get(node) === now) continue;
    seen.set(node, now);
    nudge(node);
  }
}

/** Have the node drawn anew. The newer nodes look again when their list of widgets changes, be it back and forth. */
function nudge(node) {
  if (window.LiteGraph?.vueNodesMode && node.widgets?.length) node.widgets.push(node.widgets.pop());
  node.setDirtyCanvas?.(true, true);
}
