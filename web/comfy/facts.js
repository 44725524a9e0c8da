// What a node's price is and what a model is, in words. Pure.
import { bound, quote, rate, usd } from "./price.js";

const GUESSES = {
  image: [],
  megapixel: ["megapixels", "input_megapixels"],
  step: ["steps"],
  second: [],
  token: [],
};
const LOCAL = "local";
const FAMILIES = {
  closed: "Closed: only its provider has it",
  "open-weight": "Open weights: you can also run it yourself",
  local: "Runs on this machine",
};

/**
 * The price of a whole node: `{text, microusd, exact}`, null where the catalog knows no price. The count is asked for
 * in calls of at most `max_count` images, as generation/service.py does, and each call is rounded by itself.
 */
export function priceOf({ model, count, asked, parameters, guessed }) {
  if (model.family === LOCAL) return ownPrice(model, count, asked, parameters);
  if (!model.price) return null;
  let [microusd, exact] = [0, true];
  for (let left = Math.max(1, count); left > 0; left -= model.max_count ?? 1) {
    const images = Math.min(left, model.max_count ?? 1);
    const one = quote(model.price, { ...asked, images }, parameters);
    if (!one) return { text: rate(model.price), microusd: null, exact: false };
    microusd += one.microusd;
    exact &&= one.exact;
  }
  exact &&= !dependsOnGuess(model.price, guessed);
  return { text: exact ? usd(microusd) : `≈ ${usd(bound(microusd))}`, microusd, exact };
}

/** Of a checkpoint: its measured seconds at the price of your GPU's hour; without the one or the other, what is known. */
function ownPrice(model, count, asked, parameters) {
  if (!model.price) return { text: "your GPU", microusd: null, exact: false };
  if (!model.step_s) return { text: hour(model.price), microusd: null, exact: false };
  const [width, height] = model.default_size ?? [1024, 1024];
  const megapixels = asked.megapixels ?? (width * height) / 1_000_000;
  const seconds = model.step_s * (parameters.steps ?? 1) * megapixels * Math.max(1, count);
  const microusd = Math.round(seconds * Number(model.price.microusd));
  return { text: `≈ ${usd(microusd)}`, microusd, exact: false };
}

function hour(price) {
  return `${usd(Math.round(Number(price.microusd) * 3600))} / GPU hour`;
}

function dependsOnGuess(price, guessed) {
  if (guessed.has("count")) return true;
  const names = price.unit === "megapixel" && price.input_microusd == null ? ["megapixels"] : GUESSES[price.unit];
  return names.some((name) => guessed.has(name));
}

/** What a model is, for its tooltip: one fact a line. */
export function about(model, price) {
  const lines = [`${model.title} · ${model.provider}`];
  if (model.family === LOCAL) return [...lines, ...ownFacts(model, price)].join("\n");
  if (model.price) lines.push(`${rate(model.price)}${price?.microusd != null ? ` · this node: ${price.text}` : ""}`);
  else lines.push("Price unknown");
  if (model.price?.unit === "megapixel") lines.push("MP: a million pixels; 1024 × 1024 has 1.05");
  if (price && !price.exact && price.microusd != null) lines.push("≈ the run will tell exactly");
  lines.push(FAMILIES[model.family] ?? model.family, licence(model), life(model));
  lines.push(model.key ? "Ready: its provider can be called" : "Needs a key: Settings › Mintmark › Keys");
  return lines.filter(Boolean).join("\n");
}

function ownFacts(model, price) {
  const cost = model.price ? hour(model.price) : "Not priced: set MINTMARK_GPU_HOUR_USD";
  const seconds = price?.microusd == null ? "" : `this node: ${price.text}`;
  return [cost, seconds, FAMILIES[LOCAL]].filter(Boolean);
}

/** For a list of models, what to know first: `{facts, warnings}`, each a few words. */
export function brief(model) {
  if (model.family === LOCAL) return { facts: model.price ? hour(model.price) : "your GPU", warnings: "" };
  const facts = [model.price ? rate(model.price) : "price unknown"];
  if (model.family === "open-weight") facts.unshift("open weights");
  const warnings = isEnding(model) ? [ending(model)] : [];
  if (!model.key) warnings.push("needs a key");
  return { facts: facts.join(" · "), warnings: warnings.join(" · ") };
}

/** Whether the provider has said that the model ends. */
export function isEnding(model) {
  return model.lifecycle?.state === "retiring" || model.lifecycle?.state === "retired";
}

/** "retires 2026-12-01" */
export function ending(model) {
  const { state, retires_on: when } = model.lifecycle;
  return `${state === "retired" ? "retired" : "retires"}${when ? ` ${when}` : " soon"}`;
}

function life(model) {
  if (isEnding(model)) {
    const next = model.lifecycle.replaced_by;
    return `It ${ending(model)}${next ? `; use ${next} instead` : ""}`;
  }
  return model.lifecycle?.state === "legacy" ? "Still works; its provider recommends something newer" : "";
}

function licence(model) {
  if (!model.licence?.name) return "";
  const uses = { true: ", commercial use allowed", false: ", no commercial use" };
  const use = uses[String(model.licence.commercial_use)] ?? "";
  return `Licence: ${model.licence.name}${use}`;
}
