// An open list of models says beside each name what it costs and whether it needs a key. The names stay what they are:
// they are the values, and people filter by typing. What is added can be typed, too: "open", "needs".
import { model, names } from "./catalog.js";
import { brief } from "./facts.js";

const ENTRIES = ".litemenu-entry, [role='option']";
const MARK = "mintmark-model";

/** Follow the page's menus from now on; they are put straight into its body. */
export function watch() {
  new MutationObserver((changes) => {
    if (!names().size) return;
    for (const change of changes) for (const added of change.addedNodes) if (added instanceof HTMLElement) mark(added);
  }).observe(document.body, { childList: true, subtree: false });
  // A menu may be filled only after it was put there.
  document.addEventListener("pointerup", () => requestAnimationFrame(markOpen), { capture: true, passive: true });
}

function markOpen() {
  for (const menu of document.body.children) if (menu.querySelector?.(ENTRIES)) mark(menu);
}

function mark(menu) {
  for (const entry of menu.querySelectorAll(ENTRIES)) {
    if (entry.querySelector(`.${MARK}`)) continue;
    const found = model((entry.dataset?.value ?? entry.textContent ?? "").trim());
    if (found) entry.append(note(found));
  }
}

function note(found) {
  const { facts, warnings } = brief(found);
  const made = words("span", MARK, facts);
  if (warnings) made.prepend(words("span", "is-warning", warnings));
  return made;
}

function words(tag, className, textContent) {
  return Object.assign(document.createElement(tag), { className, textContent });
}
