// A click on Sign and Save shows what the saved file tells of itself: a Read Credentials node beside it, which reads it.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { button, spare } from "./told.js";

const READS = "MintmarkReadCredentials";
const GAP = 40;
const readerOf = new WeakMap();

/** The buttons for what this node saved, as nodes/save.py tells of it. */
export function buttons(node, saved) {
  const isOnTop = node.graph === (app.rootGraph ?? app.graph);
  if (node.comfyClass !== "MintmarkSignAndSave" || !saved?.length || !isOnTop) return [];
  const made = button("Check the credential", () => check(node, saved[0]));
  made.title = "Adds Read Credentials for the saved file, and runs that node alone. It costs nothing.";
  return [made];
}

async function check(node, { subfolder, filename }) {
  const reader = readerOf.get(node)?.graph ? readerOf.get(node) : beside(node);
  readerOf.set(node, reader);
  const widget = reader.widgets.find((each) => each.name === "image");
  widget.value = `${subfolder ? `${subfolder}/` : ""}${filename} [output]`;
  widget.callback?.(widget.value, app.canvas, reader);
  await spare(runAlone(reader)).catch(({ message }) => {
    const problem = { severity: "error", summary: "The credential was not checked", detail: message, life: 8000 };
    app.extensionManager.toast.add(problem);
  });
}

/** Queue this node and no other, so that nothing is charged and no seed moves on; what ComfyUI answers. */
async function runAlone({ id }) {
  const { output, workflow } = await app.graphToPrompt();
  return api.queuePrompt(-1, { output: { [id]: output[id] }, workflow });
}

function beside(node) {
  const reader = window.LiteGraph.createNode(READS);
  reader.pos = [node.pos[0] + node.size[0] + GAP, node.pos[1]];
  node.graph.add(reader);
  return reader;
}
