// Gives cases to people, in a dialog. A button with data-do="move" or "assign" names the form.
// Completes @names in a note. Arrows choose, Enter or Tab takes, Escape closes.
import { all, find, on } from "./dom.js";

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

const MOST = 6; // names that are offered at once
const BEFORE = /(?:^|[^\w@])@([^\s@]*)$/u; // not inside an e-mail address

/** Returns the beginning of a name that stands before the cursor; null if there is none. */
const begun = (field) => field.value.slice(0, field.selectionStart).match(BEFORE)?.[1] ?? null;

const listOf = (field) => document.getElementById(field.getAttribute("aria-controls"));

const close = (field) => {
  listOf(field).hidden = true;
  listOf(field).replaceChildren();
  field.removeAttribute("aria-activedescendant");
};

const choose = (field, option) => {
  all("[role=option]", listOf(field)).forEach((one) => one.setAttribute("aria-selected", String(one === option)));
  field.setAttribute("aria-activedescendant", option.id);
};

const offer = (field) => {
  const start = begun(field);
  const list = find("#notes [data-people]"); // it comes with the notes
  const names = start === null || !list ? [] : JSON.parse(list.dataset.people);
  const fit = names.filter((name) => name.toLowerCase().startsWith(start.toLowerCase())).slice(0, MOST);
  if (fit.length === 0) return close(field);
  const options = fit.map((name, at) => {
    const option = Object.assign(document.createElement("li"), { id: `note-person-${at}`, className: "opt", dir: "auto" });
    option.setAttribute("role", "option");
    option.textContent = name;
    return option;
  });
  listOf(field).replaceChildren(...options);
  listOf(field).hidden = false;
  choose(field, options[0]);
};

const take = (field, option) => {
  const cursor = field.selectionStart;
  const from = cursor - begun(field).length;
  field.setRangeText(`${option.textContent} `, from, cursor, "end");
  close(field);
};

const step = (field, by) => {
  const options = all("[role=option]", listOf(field));
  const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
  choose(field, options[(at + by + options.length) % options.length]);
};

const press = (field, event) => {
  if (listOf(field).hidden || event.isComposing || event.keyCode === 229) return;
  const acts = {
    ArrowDown: () => step(field, 1),
    ArrowUp: () => step(field, -1),
    Enter: () => take(field, find('[aria-selected="true"]', listOf(field))),
    Tab: () => take(field, find('[aria-selected="true"]', listOf(field))),
    Escape: () => close(field),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  acts[event.key]();
};

const ours = (event) => (event.target.id === "note-text" ? event.target : null);

const startMentions = () => {
  document.addEventListener("input", (event) => ours(event) && offer(event.target));
  // In the capture phase: before keyboard.js, which leaves the field at Escape.
  document.addEventListener("keydown", (event) => ours(event) && press(event.target, event), true);
  document.addEventListener("focusout", (event) => ours(event) && close(event.target));
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest?.("#note-people [role=option]");
    if (!option) return;
    event.preventDefault(); // the field keeps the focus
    take(find("#note-text"), option);
  });
};

on("move", open);
on("assign", open);
startMentions();
document.body.addEventListener("moved", refresh);
// A note that is stored stands in the list.
document.body.addEventListener("htmx:afterRequest", ({ detail }) => detail.successful && detail.elt.matches(".write") && detail.elt.reset());
