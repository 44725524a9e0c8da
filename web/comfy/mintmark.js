// The pack's part of ComfyUI's page: prices on the nodes, what a run said, the keys. ComfyUI loads every .js file of
// this folder; this is the only one that does something by being loaded.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import * as badge from "./badge.js";
import * as catalog from "./catalog.js";
import * as credential from "./credential.js";
import * as keys from "./keys.js";
import * as menu from "./menu.js";
import * as told from "./told.js";
import { addStyle } from "./theme.js";

const isOurs = (name) => String(name ?? "").startsWith("Mintmark");

function keysButton() {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "mintmark-button is-main", textContent: "Open the keys …" });
  button.addEventListener("click", () => keys.open());
  return button;
}

app.registerExtension({
  name: "mintmark",
  commands: [{ id: "Mintmark.Keys", label: "Mintmark: provider keys", icon: "pi pi-key", function: () => keys.open() }],
  settings: [
    {
      id: "Mintmark.Keys.Open",
      category: ["Mintmark", "Keys", "Open"],
      name: "Provider keys",
      tooltip: "One key for each provider whose models you use.",
      type: () => keysButton(),
      defaultValue: null,
    },
    {
      id: badge.SETTING,
      category: ["Mintmark", "Nodes", "Price"],
      name: "Show prices on nodes",
      type: "boolean",
      defaultValue: true,
    },
  ],
  setup() {
    addStyle();
    catalog.load();
    badge.watch(keys.open);
    menu.watch();
    api.addEventListener("execution_start", ({ detail }) => told.dim(detail ?? {}));
    api.addEventListener("execution_cached", ({ detail }) => told.brighten(detail?.nodes ?? []));
    api.addEventListener("execution_success", () => told.clear());
    api.addEventListener("execution_error", ({ detail }) => told.refuse(detail, keys.open));
    // A worker that comes back may be another one, with other keys.
    api.addEventListener("reconnected", () => catalog.load());
  },
  nodeCreated(node) {
    if (isOurs(node.comfyClass)) badge.add(node);
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!isOurs(nodeData.name)) return;
    const executed = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      executed?.apply(this, arguments);
      const buttons = credential.buttons(this, message?.mintmark);
      if (message?.text?.length) told.show(this, message.text.join("\n"), buttons);
    };
  },
});
