// Whether ComfyUI wears a light or a dark theme, and the pack's own style sheet.

/** By what is really on the screen: palettes have any name. */
export function isLight() {
  const color = getComputedStyle(document.documentElement).getPropertyValue("--comfy-menu-bg").trim();
  const [red, green, blue] = rgb(color);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

/** Add mintmark.css, once. */
export function addStyle() {
  const href = new URL("./mintmark.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
}

function rgb(color) {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color);
  if (short) return short.slice(1).map((each) => parseInt(each + each, 16));
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(color);
  if (long) return long.slice(1).map((each) => parseInt(each, 16));
  return (color.match(/[\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
}
