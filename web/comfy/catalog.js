// The models and what they cost, from the pack: GET /mintmark/models. Read once, and again when keys change.
import { api } from "../../scripts/api.js";

let models = new Map();
let version = 0;
let reading = null;
let failed = false;

/** The model by its full name, or undefined. */
export function model(name) {
  return models.get(name);
}

/** All names, for finding them on a page. */
export function names() {
  return models;
}

/** Whether this provider can be called; undefined where no model tells. */
export function reaches(provider) {
  return [...models.values()].find((each) => each.provider === provider)?.key;
}

/** Another number whenever what is known may have changed. */
export function edition() {
  return version;
}

/** Whether it could not be read, so that no price is known. */
export function isMissing() {
  return failed && !models.size;
}

/** Read the catalog, unless that is under way. A page without it works: only prices are missing. */
export function load() {
  reading ??= read().finally(() => (reading = null));
  return reading;
}

async function read() {
  try {
    const answer = await api.fetchApi("/mintmark/models");
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const told = await answer.json();
    models = new Map(told.models.map((each) => [each.name, each]));
    failed = false;
    version += 1;
  } catch (error) {
    failed = true;
    version += 1;
    console.warn("Mintmark: prices cannot be shown:", error.message);
  }
}
