// The banner of a lost connection, or of a database that does not answer, and what waits for the end of either.
import { find, say, text } from "./dom.js";

const EVERY = 2_000; // milliseconds between two looks
const LONGEST = 10_000; // milliseconds after which a look counts as no answer
const OUTAGES = new Set([502, 503, 504]); // a proxy answers for a console that is away

export const isOutage = (status) => status === 0 || OUTAGES.has(status);

const reasons = new Map();

/** Shows the words of a reason in the banner, or takes them away without `words`. */
export const banner = (reason, words = "") => {
  if (words && words !== reasons.get(reason)) say(words);
  if (words) reasons.set(reason, words);
  else reasons.delete(reason);
  const line = find("#line");
  line.textContent = [...reasons.values()].at(-1) ?? "";
  line.hidden = reasons.size === 0;
};

/** Returns what is wrong: the key of its words, or nothing. */
const look = async () => {
  try {
    const answer = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(LONGEST) });
    return answer.ok ? "" : answer.status === 503 ? "no_store" : "lost_line";
  } catch {
    return "lost_line";
  }
};

const pause = () => new Promise((done) => setTimeout(done, EVERY));

const wait = async () => {
  // The first pause, too: if the server is ready but refuses what waits, it must not come again at once.
  do await pause();
  while (await watched());
  ending = null;
};

const watched = async () => {
  const wrong = await look();
  banner("outage", wrong && text(wrong));
  return wrong;
};

let ending = null;

/** Resolves when the server and its database answer. Until then, the banner says which of them does not. */
export const outageEnds = () => (ending ??= wait());

/** Shows at once what is wrong, and takes the banner away when it is over. */
export const outage = () => {
  if (!ending) watched();
  outageEnds();
};

document.body.addEventListener("htmx:afterOnLoad", ({ detail }) => detail.successful && banner("outage"));
document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (!isOutage(xhr.status)) return;
  outage();
  // What a page asks for by itself leaves no message behind: the banner goes when the outage is over.
  if (requestConfig.verb === "get" || !find("#conflict")) event.preventDefault();
});
