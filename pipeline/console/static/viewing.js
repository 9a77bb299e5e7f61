// Who else has the open case: the page says which case it shows, and its head shows who reads it, too.
import { find, say, text } from "./dom.js";
import { post } from "./lease.js";

const EVERY = 15_000; // milliseconds between two words to the server, which forgets a page after 40 s

// A random id. `crypto.randomUUID` exists only with HTTPS.
const page = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const open = () => find("#pane .case")?.dataset.case ?? "";

let told = ""; // the case that the server knows of

/** Shows who reads the open case, too. The holder of its lease stands elsewhere: in the row and below the case. */
export const viewed = (event) => {
  if (event.case !== open()) return;
  const others = event.by.filter((name) => name !== find("main.desk").dataset.account && name !== event.holder);
  const [place, [name = "", ...more]] = [find("#viewers"), others];
  const words = name && text(more.length ? "viewing_more" : "viewing", { name, n: more.length });
  const [letter, line] = place.children;
  if (words && words !== line.textContent) say(words);
  find("bdi", letter).textContent = name.slice(0, 1).toUpperCase();
  line.textContent = words;
  place.title = others.join(", ");
  place.hidden = !name;
};

/** Tells the server which case this page shows. A page in the background shows none. */
const tell = async () => {
  const id = document.visibilityState === "visible" ? open() : "";
  if (!id && !told) return;
  told = id;
  const answer = await post("/viewing", { page, case: id });
  if (answer?.status === 200) viewed(await answer.json());
};

export const start = () => {
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "pane" && tell());
  document.addEventListener("visibilitychange", tell); // it also comes when the page closes
  setInterval(tell, EVERY);
  tell();
};
