// What a hosted call costs: the arithmetic of metering/prices.py, on the catalog's own price rules. tests/web holds the
// two to the same micro-dollar. Pure: no page, no clock.
import { Decimal } from "./decimal.js";

const MEGAPIXEL = 1_000_000;
const NEEDS = { megapixel: "megapixels", step: "steps", second: "seconds", token: "output_tokens" };

/**
 * What a call costs at most, in micro-dollars; `exact` says that it is also what will be charged. Null where the rule
 * needs a quantity that is not known.
 *
 * `asked`: images, megapixels (of one image), input_megapixels, steps, text_tokens, image_tokens. `parameters`: the
 * model's own, by catalog name.
 */
export function quote(price, asked, parameters = {}) {
  let used = { images: 1, ...asked };
  if (price.unit === "token") used = { ...used, ...boundedTokens(price, used, parameters) };
  if (price.unit === "second") used = { ...used, seconds: price.at_most_seconds };
  const need = NEEDS[price.unit];
  if (need && (used[need] === undefined || used[need] === null)) return null;
  return { microusd: charge(price, used, parameters), exact: price.unit !== "token" && price.unit !== "second" };
}

/** Money for people, as metering/prices.py writes it: "$0.003", at least two and at most six decimals. */
export function usd(microusd) {
  const text = String(Math.abs(microusd)).padStart(7, "0");
  const part = text.slice(-6).replace(/0+$/, "").padEnd(2, "0");
  return `$${microusd < 0 ? "-" : ""}${text.slice(0, -6)}.${part}`;
}

/** A bound has no use for its last digits: whole cents, or tenths of one below ten cents; rounded up, as bounds are. */
export function bound(microusd) {
  const step = microusd < 100_000 ? 1_000 : 10_000;
  return Math.ceil(microusd / step) * step;
}

/** A rule in a few words: "$0.003 / MP". Tokens say nothing to people: they are told by what an image costs at most. */
export function rate(price) {
  const one = (microusd) => usd(Decimal.of(microusd).round());
  if (price.unit === "token") return `up to ${usd(bound(quote(price, { megapixels: 1.048576 }).microusd))} / image`;
  if (price.unit === "second") return `${one(price.microusd)} / second`;
  if (price.unit === "step") return `${one(price.microusd)} / step`;
  if (price.unit === "image") return `${[...new Set(ends(price))].map(one).join(" to ")} / image`;
  const first = price.first_microusd ?? null;
  return `${first === null ? "" : `${one(first)} + `}${one(price.microusd)} / MP`;
}

/** The cheapest and the dearest image. */
function ends(price) {
  const all = [price.microusd, ...(price.tiers ?? []).map((tier) => tier.microusd)].map(Number);
  return [Math.min(...all), Math.max(...all)];
}

function charge(price, used, parameters) {
  if (price.unit === "image") return tier(price, parameters).times(used.images).round();
  if (price.unit === "megapixel") return megapixels(price, used).round();
  if (price.unit === "step") return Decimal.of(price.microusd).times(used.steps || 0).times(used.images).round();
  if (price.unit === "second") return Decimal.of(price.microusd).times(used.seconds || 0).round();
  return tokens(price, used).round();
}

function tier(price, parameters) {
  const fits = (each) => Object.entries(each.when).every(([name, value]) => parameters[name] === value);
  return Decimal.of((price.tiers ?? []).find(fits)?.microusd ?? price.microusd);
}

function megapixels(price, used) {
  const output = counted(price, used.megapixels || 0);
  const further = price.first_microusd ?? null;
  const one =
    further === null
      ? Decimal.of(price.microusd).times(output)
      : Decimal.of(further).plus(Decimal.of(price.microusd).times(Decimal.of(0).max(output.minus(1))));
  const all = one.times(used.images);
  const input = price.input_microusd ?? null;
  return input === null ? all : all.plus(Decimal.of(input).times(counted(price, used.input_megapixels || 0)));
}

/** Megapixels as this vendor counts them. */
function counted(price, amount) {
  const found = Decimal.of(amount).times(MEGAPIXEL).over(price.pixels ?? MEGAPIXEL);
  return price.round_up ? Decimal.of(found.ceil()) : found;
}

function tokens(price, used) {
  return Decimal.of(price.text_in)
    .times(used.text_tokens || 0)
    .plus(Decimal.of(price.image_in).times(used.image_tokens || 0))
    .plus(Decimal.of(price.image_out).times(used.output_tokens || 0))
    .plus(Decimal.of(price.text_out ?? 0).times(used.output_text_tokens || 0))
    .over(1_000_000);
}

function boundedTokens(price, asked, parameters) {
  const rows = price.output_tokens_1024;
  // "auto" lets the provider choose, so the dearest row bounds it.
  const by = price.tokens_by ?? "quality";
  const one = rows[String(parameters[by])] ?? Math.max(...Object.values(rows));
  // Rows of another parameter than the quality are sizes by themselves.
  const pixels = by === "quality" ? Decimal.of(asked.megapixels || 0).times(MEGAPIXEL) : Decimal.of(0);
  const area = pixels.over(1024 * 1024);
  return {
    output_tokens: Decimal.of(one).times(area.max(1)).ceil() * asked.images,
    output_text_tokens: (price.output_text_tokens ?? 0) * asked.images,
  };
}
