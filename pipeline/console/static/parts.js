// The parts of a case. A wide window shows all of them; a narrow one shows one at a time, with tabs.
// The transcript: shows the normalised form under each turn in which the lexicon found a disguised term.
import { all, find, on } from "./dom.js";

const CORRECTS = /\/(correct|reopen)$/;
const PARTS = ["evidence", "speaker", "room", "policy", "history"];

const show = (part) => {
  find(".work").dataset.part = part;
  for (const tab of all(".ctx-tabs a")) {
    if (tab.dataset.part === part) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
};

const go = (part, event) => {
  event.preventDefault();
  show(part);
  const place = part === "evidence" ? find(".evidence") : find(`.context [data-part="${part}"]`);
  place?.focus({ preventScroll: true });
  place?.scrollIntoView({ block: "nearest" });
};

export const start = () => {
  for (const part of PARTS) on(`part_${part}`, (_, event) => go(part, event));
  on("policy", (_, event) => go("policy", event));
  document.body.addEventListener("htmx:afterSwap", ({ detail: { target, requestConfig } }) => {
    const refused = CORRECTS.test(requestConfig?.path); // a correction is swapped only if it is refused
    if (target.id === "pane" || refused) show("evidence");
    if (refused) target.scrollIntoView({ block: "nearest" });
  });
};

/** Opens the form that corrects a decision. In a narrow window it is in the part "history". */
export const startCorrection = () =>
  on("correct", () => {
    show("history");
    const form = find("#correct details");
    form.open = true;
    form.scrollIntoView({ block: "start" });
    find("select", form).focus({ preventScroll: true });
  });

export const startTranscript = () =>
  on("normalised", (button) => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    button.closest(".said-card").dataset.normalised = shown ? "on" : "off";
  });
