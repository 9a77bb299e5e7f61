// Deadlines tick: "due in 4 m", later "late by 2 m". Each `.due` says how many seconds were left when it was made.
import { all, texts } from "./dom.js";

const SOON = 600; // seconds, as in macros.html
const UNITS = [["days", 86_400], ["hours", 3_600], ["minutes", 60], ["seconds", 1]];

/** A time span in words, as `age` of pages.py writes it. */
const age = (seconds) => {
  const [name, length] = UNITS.find((unit) => seconds >= unit[1]) ?? UNITS.at(-1);
  return texts[`time.${name}`].replace("{n}", Math.floor(seconds / length));
};

const show = (one, now) => {
  one.dataset.until ??= now + Number(one.dataset.left);
  const left = one.dataset.until - now;
  const words = texts[left < 0 ? "time.late" : "time.due_in"].replace("{age}", age(Math.abs(left)));
  if (one.textContent !== words) one.textContent = words;
  one.classList.toggle("late", left < 0);
  one.classList.toggle("soon", left >= 0 && left < SOON);
};

/** Brings all deadlines of the page up to date. In the row of a decided case, the verdict stands there. */
export const tick = () => {
  const now = Date.now() / 1000;
  for (const one of all(":not([data-done]) > .due[data-left]")) show(one, now);
};

export const start = () => {
  tick();
  document.body.addEventListener("htmx:afterSwap", tick); // new rows count from now
  setInterval(tick, 1000);
};
