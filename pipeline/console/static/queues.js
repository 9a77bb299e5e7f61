// Moving cases: the dialog in which a lead gives cases to a person. A button with data-do="move" names its form.
import { find, on } from "./dom.js";

const dialog = () => {
  const found = find("#move");
  if (found) return found;
  const made = Object.assign(document.createElement("dialog"), { id: "move" });
  made.setAttribute("aria-labelledby", "move-title");
  document.body.append(made);
  return made;
};

const open = async (button) => {
  const to = dialog();
  await htmx.ajax("GET", button.dataset.href, { source: to, target: to, swap: "innerHTML" });
  if (!to.open) to.showModal();
  find("select, input", to)?.focus();
};

export const start = () => on("move", open);
