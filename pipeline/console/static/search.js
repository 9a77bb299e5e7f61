// The results of a search: moves through them, previews them, opens and claims them.
import { act, all, find, on } from "./dom.js";

const CLAIM = "voxwarden_claim"; // id of the case that the next page claims

/** On the page of a case that a search opened: claims it, as its button would. */
export const claim = () => {
  const wanted = sessionStorage.getItem(CLAIM);
  sessionStorage.removeItem(CLAIM); // once only: a reload must not claim the case again
  if (wanted && find(`.case[data-case="${wanted}"]`)) act("open");
};

const links = () => all("#results .link");
const current = () => find("#results [aria-current]");
const previewed = () => find("#preview")?.checkVisibility();

const choose = (link) => {
  if (!link) return;
  current()?.removeAttribute("aria-current");
  link.closest("li").setAttribute("aria-current", "true");
  link.focus();
  if (previewed()) htmx.ajax("GET", link.dataset.preview, "#preview");
};

const open = (link) => {
  if (!link) return;
  sessionStorage.setItem(CLAIM, link.closest("li").dataset.case);
  location.assign(link.href);
};

const step = (by) => {
  const found = links();
  const at = found.findIndex((link) => link.closest("li") === current());
  if (at < 0) return choose(found[0]);
  if (at + by >= found.length) find("#results .more button")?.click();
  choose(found[at + by]);
};

export const start = () => {
  on("next", () => step(1));
  on("previous", () => step(-1));
  on("open", () => open(current()?.querySelector(".link") ?? links()[0]));

  document.addEventListener("click", (event) => {
    const claimed = event.target.closest?.("[data-claim]");
    if (claimed) sessionStorage.setItem(CLAIM, claimed.dataset.claim);
    const link = event.target.closest?.("#results .link");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // A key counts no clicks: Enter opens. A click previews, and a click on the previewed case opens it.
    if (event.detail === 0 || !previewed() || link.closest("li") === current()) open(link);
    else choose(link);
  });

  // Backspace in the empty field removes the last term.
  find("#search-more").addEventListener("keydown", (event) => {
    const last = all(".q-box .x").at(-1);
    if (event.key === "Backspace" && !event.target.value && last) last.click();
  });
};
