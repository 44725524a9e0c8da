// Shows on the canvas what Receipt and the moderation nodes found out. ComfyUI itself shows text on its own nodes only.
import { app } from "../../scripts/app.js";
import { ComfyWidgets } from "../../scripts/widgets.js";

const SPEAKING = ["MintmarkReceipt", "MintmarkModeratePrompt", "MintmarkModerateImage"];
const WIDGET = "mintmark_told";

function show(node, text) {
  let widget = node.widgets?.find((each) => each.name === WIDGET);
  if (!widget) {
    widget = ComfyWidgets.STRING(node, WIDGET, ["STRING", { multiline: true }], app).widget;
    widget.serialize = false; // it is no input: neither the graph nor a saved workflow holds it
    widget.options.serialize = false;
    widget.label = "";
    if (widget.inputEl) {
      widget.inputEl.readOnly = true;
      widget.inputEl.style.opacity = 0.8;
    }
  }
  widget.value = text;
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
