// The only handler of keys. A key clicks the button on which it is printed.
import { act, all, find, keys, on } from "./dom.js";

const WRITES = new Set(["note", "add_note", "label", "reason"]); // actions after which a person types at once
const FIRST_OF_TWO = 1500; // milliseconds that the page waits for the second key after "g"

const spell = (event) => {
  const named = event.key.length > 1 && event.shiftKey; // Shift is part of a letter already: "A", "?"
  return named ? `Shift+${event.key}` : event.key;
};

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** Keys that a focused control needs for itself. */
const owned = (event) => {
  const within = (selector) => event.target.closest?.(selector);
  if (event.key === "Enter") return within("a, button, summary, dialog");
  if (event.key === " ") return within("button, summary, dialog");
  return event.key.startsWith("Arrow") && within(".utt");
};

let early = null; // what is typed for a case that is still opening: { name, typed }

/** Types into the field that has the focus, as the person would. */
const type = (words) => {
  const field = document.activeElement;
  if (!words || !field.matches("input, textarea")) return;
  field.setRangeText(words, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
};

const arrived = () => {
  if (!early) return;
  const { name, typed } = early;
  early = null;
  if (press(name)) type(typed);
};

const keepEarly = (key) => {
  if (key === "Escape") early = null;
  else if (key === "Backspace") early.typed = early.typed.slice(0, -1);
  else if (key.length === 1) early.typed += key;
};

/** Does an action. The field for notes is in a part of the case that a narrow window may hide. */
const press = (name) => act(name) || (name === "add_note" && find("#note-text") && act("part_history") && act(name));

export const startKeys = () => {
  const names = new Map(Object.entries(keys).map(([name, key]) => [key, name]));
  // Single keys disturb people who dictate, so a setting switches them off (WCAG 2.1.4).
  const single = document.body.dataset.singleKeys !== "off";
  let first = "";
  let timer = 0;

  // htmx sends our forms. If the browser sent them itself, it would put the note into the URL.
  document.addEventListener("submit", (event) => event.target.matches("[hx-post]") && event.preventDefault());

  document.addEventListener("arrived", arrived);
  on("help", () => find("#help").showModal());

  document.addEventListener("keydown", (event) => {
    // Key code 229 means that an input method is composing. Some browsers set isComposing too late.
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (early) {
      event.preventDefault();
      return keepEarly(event.key);
    }
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (!single || owned(event) || find("dialog[open]")) return;
    const key = spell(event);
    const name = names.get(first ? `${first} ${key}` : key);
    clearTimeout(timer);
    // The first key of two, such as "g i". Wait for the second one.
    if (!first && [...names.keys()].some((known) => known.startsWith(`${key} `))) {
      first = key;
      timer = setTimeout(() => (first = ""), FIRST_OF_TWO);
      return;
    }
    first = "";
    if (WRITES.has(name) && find("#pane")?.ariaBusy === "true") early = { name, typed: "" };
    else if (!name || !press(name)) return;
    event.preventDefault();
  });
};

// The fields of the settings page in which a person presses the key for an action.
const PASSED = new Set(["Tab", "Shift+Tab", "Escape", "Shift", "Control", "Alt", "Meta"]);

/** The page shows `shown` and sends `value`. */
const fill = (field, key) => {
  const value = field.dataset.first ? `${field.dataset.first} ${key}` : key;
  field.value = value === " " ? "Space" : value;
};

export const startRemap = () => {
  for (const field of all(".key-field")) {
    field.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || PASSED.has(spell(event))) return;
      event.preventDefault();
      event.stopPropagation();
      fill(field, spell(event));
    });
  }
};
