// Shows on the canvas what Receipt and the moderation nodes found out. ComfyUI itself shows text on its own nodes only.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const SPEAKING = ["MintmarkReceipt", "MintmarkModeratePrompt", "MintmarkModerateImage"];
const WIDGET = "mintmark_told";
const LOOK = "overflow:auto; white-space:pre-wrap; overflow-wrap:anywhere; font:12px/1.4 monospace; padding:4px;";

function show(node, text) {
  let widget = node.widgets?.find((each) => each.name === WIDGET);
  if (!widget) {
    const box = document.createElement("div");
    box.style.cssText = LOOK;
    // Not serialized: it is no input, so neither the graph nor a saved workflow holds it.
    widget = node.addDOMWidget(WIDGET, "mintmark_text", box, { serialize: false, hideOnZoom: false, getMinHeight: () => 48 });
    widget.serialize = false;
  }
  widget.element.textContent = text;
  widget.element.style.opacity = 0.85;
  node.setDirtyCanvas?.(true, true);
}

// Words of an earlier run stay dim until this run says them again: a run that stops before a node must not look allowed.
function dim(isStale, cached) {
  for (const node of app.graph?._nodes ?? []) {
    const widget = node.widgets?.find((each) => each.name === WIDGET);
    if (widget && (!cached || cached.includes(String(node.id)))) widget.element.style.opacity = isStale ? 0.3 : 0.85;
  }
}

function refused({ detail }) {
  const node = app.graph?.getNodeById?.(Number(detail?.node_id));
  if (node && SPEAKING.includes(node.comfyClass)) show(node, detail.exception_message ?? "");
}

app.registerExtension({
  name: "mintmark.told",
  setup() {
    api.addEventListener("execution_start", () => dim(true));
    api.addEventListener("execution_cached", ({ detail }) => dim(false, detail?.nodes ?? []));
    api.addEventListener("execution_error", refused);
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!SPEAKING.includes(nodeData.name)) return;
    const executed = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      executed?.apply(this, arguments);
      if (message?.text?.length) show(this, message.text.join("\n"));
    };
  },
});
