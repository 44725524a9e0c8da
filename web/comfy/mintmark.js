// Shows on the canvas what Receipt and the moderation nodes found out. ComfyUI itself shows text on its own nodes only.
import { app } from "../../scripts/app.js";

const SPEAKING = ["MintmarkReceipt", "MintmarkModeratePrompt", "MintmarkModerateImage"];
const WIDGET = "mintmark_told";
const LOOK = "overflow:auto; white-space:pre-wrap; overflow-wrap:anywhere; font:12px/1.4 monospace; padding:4px; opacity:.85;";

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
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "mintmark.told",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!SPEAKING.includes(nodeData.name)) return;
    const executed = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      executed?.apply(this, arguments);
      if (message?.text?.length) show(this, message.text.join("\n"));
    };
  },
});
