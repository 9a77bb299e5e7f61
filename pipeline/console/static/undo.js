// The left half of the strip: the last decision, and the seconds in which it can be undone.
import { find, on, say, text } from "./dom.js";

const idle = () => {
  const words = document.createElement("span");
  words.className = "faint clip";
  words.textContent = text("nothing_to_undo");
  find("#undo").replaceChildren(words);
};

const countDown = () => {
  const line = find("#undo .did[data-seconds]");
  if (!line) return;
  const until = performance.now() + Number(line.dataset.seconds) * 1000;
  const tick = () => {
    if (!line.isConnected) return;
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left <= 0) idle();
    else {
      find(".left", line).textContent = text("undo_left", { n: left });
      setTimeout(tick, 250);
    }
  };
  tick();
};

export const start = () => {
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "undo" && countDown());
};
