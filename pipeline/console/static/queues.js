// Gives cases to people, in a dialog. A button with data-do="move" or "assign" names the form.
import { find, on } from "./dom.js";
import { start as startMentions } from "./mentions.js";

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

/** Loads the list and the notes again, which show who has a case. */
const refresh = () => {
  find("#arrivals")?.click();
  const id = find("#pane .case")?.dataset.case;
  if (id && find("#notes")) htmx.ajax("GET", `/cases/${id}/notes`, { target: "#notes", swap: "innerHTML" });
};

on("move", open);
on("assign", open);
startMentions();
document.body.addEventListener("moved", refresh);
