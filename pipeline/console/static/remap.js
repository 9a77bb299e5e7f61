// The fields of the settings page in which a person presses the key for an action.
import { all } from "./dom.js";
import { spell } from "./keys.js";

const PASSED = new Set(["Tab", "Shift+Tab", "Escape", "Shift", "Control", "Alt", "Meta"]);

/** The page shows `shown` and sends `value`. */
const fill = (field, key) => {
  const value = field.dataset.first ? `${field.dataset.first} ${key}` : key;
  field.value = value === " " ? "Space" : value;
};

export const start = () => {
  for (const field of all(".key-field")) {
    field.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || PASSED.has(spell(event))) return;
      event.preventDefault();
      event.stopPropagation();
      fill(field, spell(event));
    });
  }
};
