// The transcript: shows the normalised form under each turn in which the lexicon found a disguised term.
import { on } from "./dom.js";

export const start = () =>
  on("normalised", (button) => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    button.closest(".said-card").dataset.normalised = shown ? "on" : "off";
  });
