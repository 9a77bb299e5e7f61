// Keeps what a person typed in the assessment when the session has ended, until the same person is back on the page.
import { all, find } from "./dom.js";

const key = () => `typed ${location.pathname} ${find(".who")?.textContent}`; // another person must not get the text
const address = (control) => control.form.getAttribute("action") ?? control.form.getAttribute("hx-post");
const controls = () =>
  all(".assess form input, .assess form textarea, .assess form select").filter((one) => one.form && one.name && !["hidden", "file"].includes(one.type));
const ticks = (one) => ["checkbox", "radio"].includes(one.type);
const place = (one) => [address(one), one.name, ticks(one) ? one.value : ""].join(" ");
const changed = (one) => {
  if (ticks(one)) return one.checked !== one.defaultChecked;
  if (one.options) return [...one.options].some((option) => option.selected !== option.defaultSelected);
  return one.value !== one.defaultValue;
};

const keep = () => {
  const typed = controls().filter(changed).map((one) => [place(one), ticks(one) ? one.checked : one.value]);
  if (typed.length) sessionStorage.setItem(key(), JSON.stringify(typed));
};

const restore = () => {
  const typed = new Map(JSON.parse(sessionStorage.getItem(key()) || "[]"));
  sessionStorage.removeItem(key());
  for (const one of controls().filter((each) => typed.has(place(each)))) {
    one[ticks(one) ? "checked" : "value"] = typed.get(place(one));
    one.closest("details")?.setAttribute("open", ""); // text that nobody sees would be sent unread
  }
};

export const start = () => {
  restore();
  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status === 401) keep();
  });
};
