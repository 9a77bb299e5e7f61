// Small helpers that every part uses.
const data = (id) => JSON.parse(document.getElementById(id)?.textContent || "{}");

export const texts = data("texts");
export const keys = data("keys");

/** Returns a name or text of a user isolated, as the element bdi does it: its writing direction ends with it. */
export const isolated = (words) => (typeof words === "string" && words ? `\u2068${words}\u2069` : String(words ?? ""));

/** Returns a text of the catalogue's part `script`, with values for its {placeholders}. */
export const text = (name, values = {}) => (texts[name] || name).replace(/\{(\w+)\}/g, (_, hole) => isolated(values[hole]));

export const find = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Registers a handler for clicks on [data-do=name]. htmx handles the same click on its own. */
const handlers = new Map();
export const on = (name, handler) => handlers.set(name, handler);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-do]");
  const handler = button && handlers.get(button.dataset.do);
  if (handler) handler(button, event);
});

/**
 * Does the action `name`, as its button would. Returns false if there is no such button. A closed menu counts too.
 * With `onlyAsk`, it does nothing.
 */
export const act = (name, onlyAsk = false) => {
  const button = all(`[data-do="${name}"]`).find((one) => !one.disabled && (one.checkVisibility() || one.closest("[popover]")));
  if (!button || onlyAsk) return Boolean(button);
  if (button.matches("input, textarea, select")) button.focus();
  else button.click();
  return true;
};

/** Announces words to screen readers. */
export const say = (words) => {
  const live = document.getElementById("say");
  if (live) live.textContent = words; // an aria-live region, which screen readers read when it changes
};

/** Sends a form. It arrives also if the page closes meanwhile. Resolves to null if the network is lost. */
export const post = (path, values) => {
  const headers = JSON.parse(document.body.getAttribute("hx-headers"));
  return fetch(path, { method: "POST", headers, body: new URLSearchParams(values), keepalive: true }).catch(() => null);
};
