// What the page says of a run's verdicts and refusals, for people who do not program. Pure.
const TITLES = {
  prompt_blocked: "Blocked: the prompt",
  output_blocked: "Blocked: the image",
  output_withheld: "Waiting for a person to look at it",
  reference_refused: "This picture may not be a reference",
  moderation_unavailable: "It could not be checked",
  provider_blocked: "Blocked by the provider",
  provider_auth: "The key was refused",
  provider_refused: "The provider refused this request",
  provider_unavailable: "The provider does not answer well",
  rate_limited: "Too much at once for the provider",
  bad_answer: "The provider's answer makes no sense",
  result_lost: "The image was made, and is lost",
  charge_unknown: "It may have been charged",
  missing_key: "A key is missing",
  budget_exceeded: "Over the budget",
  credit_exhausted: "No credit left",
  allowance_exhausted: "Over what this run may spend",
  price_unknown: "Nobody knows its price",
  model_retired: "This model is switched off",
  unknown_model: "No such model",
  unsupported_task: "This model cannot do that",
  invalid_input: "An input needs a change",
  file_not_found: "A file is not here",
  parts_missing: "Files of the model are missing",
  not_safetensors: "This model file is not safe to open",
  damaged_file: "The model file is damaged",
  unknown_family: "This kind of model is not known here",
  not_an_image: "That is no image",
  image_too_large: "The image is too large",
  out_of_memory: "Not enough memory for this",
  bad_setting: "A setting is wrong",
  missing_extra: "Something is not installed",
  signing_failed: "It could not be signed",
  bad_signing_key: "The signing key cannot be used",
  disk_full: "The disk is full",
  cannot_write: "It could not be saved",
};
const NO_CREDIT = "No credit left at the provider";
const LATER = "Try again in a few minutes, or choose another model.";
const NEXT = {
  provider_unavailable: LATER,
  bad_answer: LATER,
  result_lost: "Running it again makes another image, and costs again.",
  provider_refused: "Change what this node asks for, or choose another model.",
};
const FREE = { prompt_blocked: "It cost nothing." };
const KEYS = new Set(["missing_key", "provider_auth"]);
const GATE = "MintmarkModerationGate";
const VERDICT = /^(allowed|flagged|blurred|review|blocked): (.*)$/;

/**
 * Why the node of this class was stopped, from the text of ComfyUI's event: `{title, words, fine, keys, whole}`. `fine`
 * is what only some need to know, `keys` says whether the keys help, and `whole` is the text as it came.
 */
export function refusal(text, kind = "") {
  const { whole, code } = parted(text);
  const { words, fine } = split(whole);
  const broke = code === "provider_auth" && /lack of credit/.test(whole);
  return {
    title: broke ? NO_CREDIT : (TITLES[code] ?? "Stopped"),
    words: [ended(advice(code, words, broke)), next(code, words)].filter(Boolean).join(" "),
    fine: [kind === GATE ? "" : FREE[code], fine].filter(Boolean).join(" "),
    keys: KEYS.has(code) && !broke,
    whole,
  };
}

/** Lines of verdicts as `[{decision, words}]`, or null where the text is none. */
export function verdicts(text) {
  const found = text.split("\n").map((each) => VERDICT.exec(each));
  return found.every(Boolean) ? found.map(([, decision, words]) => ({ decision, words })) : null;
}

/** "Message. Hint. [code]", as errors.py writes an error for a worker's event. */
function parted(text) {
  const found = /^([\s\S]*?)\s*\[([a-z_]+)\]\s*$/.exec(text);
  return found ? { whole: found[1], code: found[2] } : { whole: text, code: "" };
}

/** The rule that decided stands in brackets at the end. */
function split(whole) {
  const found = /^([\s\S]*\S)\s+(\(rule [^()]+\))$/.exec(whole);
  return found ? { words: found[1], fine: found[2] } : { words: whole, fine: "" };
}

/** On the page a key is a matter of two clicks; the errors' own hints are for a terminal. */
function advice(code, words, broke) {
  if (code === "missing_key") return `${firstSentence(words)} Open the keys, paste yours, and press Run again.`;
  if (broke) return words.replace(/Check the key \([^)]*\) and the account's balance/, "Top up the account");
  if (code === "provider_auth") return words.replace(/ \(mintmark keys set [^)]*\)/, "");
  if (code === "charge_unknown") return unknown(words);
  return words;
}

function unknown(words) {
  const told = firstSentence(words).replace(/^Call [0-9a-f-]{36} to /, "");
  return `${told} Look into your account there before you press Run again: that costs anew.`;
}

function firstSentence(words) {
  return /^[\s\S]*?\.(?=\s|$)/.exec(words)?.[0] ?? words;
}

function ended(words) {
  return /[\w)]$/.test(words) ? `${words}.` : words;
}

function next(code, words) {
  return /\b(again|wait)\b/i.test(words) ? "" : NEXT[code];
}
