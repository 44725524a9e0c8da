// What a node asks for, read off its widgets and links: the model, its own parameters and the quantities of its price.
import { model as known } from "./catalog.js";

const TASKS = [
  [/TextToImage/, "text-to-image"],
  [/Edit/, "edit"],
  [/Inpaint/, "inpaint"],
  [/Outpaint/, "outpaint"],
  [/Upscale/, "upscale"],
  [/Control/, "control"],
  [/Variation/, "variation"],
];
const CALLS_NONE = /^Mintmark(LocalUpscale|FaceRestore|CostEstimate)$/;
const UNSEEN = [1024, 1024]; // an image whose size is not known before it is loaded counts as this large
const AUTO = "auto";
const MARGINS = ["left", "right", "top", "bottom"];

/** Whether this node calls a model: one of ours that names one. Others of ours name a file, or what would be called. */
export function isHosted(node) {
  const name = String(node.comfyClass ?? "");
  return name.startsWith("Mintmark") && !CALLS_NONE.test(name) && Boolean(modelWidget(node));
}

/** The combo that names the model. */
export function modelWidget(node) {
  return node.widgets?.find((each) => each.name === "model" && String(each.value ?? "").includes("/"));
}

/**
 * What the node asks for now: `{name, model, count, asked, parameters, guessed}`. `guessed` names the quantities that
 * only the run will tell; `model` is undefined where the catalog does not have it.
 */
export function read(node) {
  const name = String(valueOf(node, "model") ?? "");
  const model = known(name);
  if (!model) return { name, model, count: 1, asked: {}, parameters: {}, guessed: new Set() };
  const guessed = new Set();
  const task = TASKS.find(([pattern]) => pattern.test(node.comfyClass))?.[1] ?? "text-to-image";
  const parameters = ownParameters(node, model, task);
  const inputs = inputSizes(node, task, guessed);
  const asked = {
    megapixels: outputMegapixels(node, model, task, inputs, guessed),
    input_megapixels: inputs.reduce((sum, [width, height]) => sum + width * height, 0) / 1_000_000,
    steps: parameters.steps,
    text_tokens: textBytes(node, guessed),
    image_tokens: inputs.length * (model.price?.input_image_tokens ?? 0),
  };
  return { name, model, count: whole(node, "count", guessed) ?? 1, asked, parameters, guessed };
}

/** The widget's value, or what is linked to it; undefined where only a run will tell. */
function valueOf(node, name) {
  const input = node.inputs?.find((each) => (each.widget?.name ?? each.name) === name);
  if (input?.link != null) return linkedValue(origin(node, input));
  return node.widgets?.find((each) => each.name === name)?.value;
}

function linkedValue(source) {
  if (!source) return undefined;
  const values = (source.widgets ?? []).filter((each) => each.name === "value" || source.type === "PrimitiveNode");
  return values[0]?.value;
}

/** The node that feeds an input, through reroutes. */
function origin(node, input) {
  let [graph, link] = [node.graph, linkOf(node.graph, input.link)];
  for (let hops = 0; link && hops < 32; hops += 1) {
    const source = graph?.getNodeById?.(link.origin_id);
    if (source?.type !== "Reroute") return source ?? undefined;
    link = linkOf(graph, source.inputs?.[0]?.link);
  }
  return undefined;
}

function linkOf(graph, id) {
  return id == null ? undefined : (graph?.links?.get?.(id) ?? graph?.links?.[id]);
}

function whole(node, name, guessed) {
  if (!has(node, name)) return undefined;
  const value = Number(valueOf(node, name));
  if (Number.isFinite(value)) return value;
  guessed.add(name);
  return undefined;
}

function has(node, name) {
  return Boolean(node.widgets?.some((each) => each.name === name) || node.inputs?.some((each) => each.name === name));
}

function textBytes(node, guessed) {
  const text = valueOf(node, "prompt");
  if (typeof text === "string") return new TextEncoder().encode(text).length;
  if (has(node, "prompt")) guessed.add("text_tokens");
  return 0;
}

/** The model's own parameters as nodes/models.py means them: a value that says "left alone" is not sent. */
function ownParameters(node, model, task) {
  const found = {};
  for (const [name, spec] of Object.entries(model.parameters ?? {})) {
    if (spec.tasks && !spec.tasks.includes(task)) continue;
    let value = valueOf(node, `model.${name}`);
    if (value === undefined || value === idle(spec)) value = spec.default ?? undefined;
    else if (spec.type === "boolean") value = { on: true, off: false }[value] ?? value;
    if (value !== undefined && value !== null) found[name] = value;
  }
  return found;
}

function idle(spec) {
  if (spec.default != null && spec.type !== "boolean") return spec.default;
  if (spec.type === "choice" || spec.type === "boolean") return AUTO;
  if (spec.type === "string") return "";
  return spec.min == null || spec.min > 0 ? 0 : spec.min - 1;
}

function outputMegapixels(node, model, task, inputs, guessed) {
  const size = outputSize(node, model, task, inputs, guessed);
  const pixels = size ? size[0] * size[1] : (model.sizes?.unasked_max_pixels ?? null);
  return pixels ? pixels / 1_000_000 : null;
}

function outputSize(node, model, task, inputs, guessed) {
  if (model.sizes?.told_by === "aspect") return null;
  const [width, height] = [whole(node, "width", guessed), whole(node, "height", guessed)];
  if (width && height) return [width, height];
  if (guessed.has("width") || guessed.has("height")) {
    guessed.add("megapixels");
    return UNSEEN;
  }
  if (task === "text-to-image") return null;
  guessed.add("megapixels");
  // Where not even the input is known, the most that the vendor makes unasked says more than a guess.
  if (task !== "upscale" && guessed.has("input_megapixels") && model.sizes?.unasked_max_pixels) return null;
  return reshaped(node, model, task, inputs[0], guessed);
}

function reshaped(node, model, task, [width, height], guessed) {
  if (task === "upscale") {
    const only = model.scale?.choices?.length === 1 ? model.scale.choices[0] : 0;
    const factor = only || whole(node, "scale", guessed) || model.scale?.default || 2;
    return [Math.round(width * factor), Math.round(height * factor)];
  }
  if (task !== "outpaint") return [width, height];
  const [left, right, top, bottom] = MARGINS.map((side) => whole(node, side, guessed) ?? 0);
  return [width + left + right, height + top + bottom];
}

function inputSizes(node, task, guessed) {
  if (task === "text-to-image") return [];
  const linked = (node.inputs ?? []).filter((each) => each.type === "IMAGE" && each.link != null);
  if (!linked.length) guessed.add("input_megapixels");
  return (linked.length ? linked : [null]).map((input) => {
    if (!input) return UNSEEN;
    const size = sizeFrom(origin(node, input));
    if (!size) guessed.add("input_megapixels");
    return size ?? UNSEEN;
  });
}

/** The size of what a node puts out, as far as the page can tell. */
function sizeFrom(source, depth = 0) {
  if (!source || depth > 8) return undefined;
  const shown = source.type === "LoadImage" ? source.imgs?.[0] : undefined;
  if (shown?.naturalWidth) return [shown.naturalWidth, shown.naturalHeight];
  const [width, height] = [Number(valueOf(source, "width")), Number(valueOf(source, "height"))];
  if (width > 0 && height > 0) return [width, height];
  const through = source.inputs?.find((each) => each.type === "IMAGE" && each.link != null);
  return through ? sizeFrom(origin(source, through), depth + 1) : undefined;
}
