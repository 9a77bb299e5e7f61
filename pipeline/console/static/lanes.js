// The time axis of the case: where each moment of the room stands, and the blocks of flagged speech on it. The server
// places everything for the narrow view; `w` places it again for a minute before and after.
import { all, find, on } from "./dom.js";

const STEPS = [10, 20, 60, 120]; // seconds between two ticks
const MOST_TICKS = 8;

let wide = false;

const root = () => find("#axis");
const range = () => root().dataset[wide ? "wide" : "narrow"].split(" ").map(Number);

/** Returns the place of a moment on the axis, in percent. Seconds count from the start of the case. */
export const percent = (at) => {
  const [left, right] = range();
  return (100 * (at - left)) / (right - left);
};

/** Returns the moment at a place of the window, in pixels from its left edge. */
export const moment = (pixel) => {
  const [left, right] = range();
  const box = find(".ruler", root()).getBoundingClientRect();
  return left + ((pixel - box.left) / box.width) * (right - left);
};

/** Returns seconds with a sign and the unit, e.g. `+2.9 s`. */
export const offset = (at, digits = 0) => {
  const rounded = Number(at.toFixed(digits)) || 0; // -0 becomes 0, which has no sign
  const sign = rounded > 0 ? "+" : rounded < 0 ? "−" : "";
  return `${sign}${Math.abs(rounded).toFixed(digits)}${root().dataset.unit}`;
};

const ticks = () => {
  const [left, right] = range();
  const step = STEPS.find((one) => (right - left) / one <= MOST_TICKS);
  const made = [];
  for (let at = step * Math.ceil(left / step); at <= right; at += step) {
    const words = document.createElementNS("http://www.w3.org/2000/svg", "text");
    words.setAttribute("x", `${percent(at)}%`);
    words.setAttribute("y", "12");
    words.setAttribute("text-anchor", at === left ? "start" : at === right ? "end" : "middle");
    words.textContent = offset(at);
    made.push(words);
  }
  find(".ruler", root()).replaceChildren(...made);
};

const place = () => {
  for (const one of all("[data-from]", root())) {
    const [from, to] = [Number(one.dataset.from), Number(one.dataset.to)];
    one.setAttribute("x", `${percent(from)}%`);
    one.setAttribute("width", `${Math.max(0.4, percent(to) - percent(from))}%`); // a short word stays visible
  }
  ticks();
};

/** Moves between the blocks that are in sight, by time. */
const walk = (event) => {
  const here = event.target.closest?.(".utt");
  if (!here || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const [left, right] = range();
  const at = (one) => Number(one.dataset.at);
  const blocks = all(".utt", root()).filter((one) => at(one) >= left && at(one) < right && one.checkVisibility());
  blocks.sort((one, other) => at(one) - at(other));
  const next = blocks[blocks.indexOf(here) + (event.key === "ArrowRight" ? 1 : -1)];
  if (!next) return;
  // Roving tabindex: Tab enters the row of blocks once, and arrows move inside it.
  here.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
  event.preventDefault();
};

/** Draws the axis of a case that was just opened. */
export const fresh = () => {
  if (!root()) return;
  find('[data-do="widen"]')?.setAttribute("aria-pressed", String(wide));
  if (wide) place();
};

export const start = (moved) => {
  on("widen", () => {
    wide = !wide;
    fresh();
    place();
    moved();
  });
  document.addEventListener("keydown", walk);
};
