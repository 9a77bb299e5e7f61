// Live updates: the bar above the list counts new cases, and each row shows who has its case.
// Who else has the open case: the page says which case it shows, and its head shows who reads it, too.
import { find, post, say, text } from "./dom.js";
import { decidedBy, heard } from "./lease.js";
import { done, people, row, undone } from "./list.js";
import { banner, outage } from "./outage.js";

const EVERY = 15_000; // milliseconds between two words to the server, which forgets a page after 40 s

// A random id. `crypto.randomUUID` exists only with HTTPS.
const page = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const open = () => find("#pane .case")?.dataset.case ?? "";

let told = ""; // the case that the server knows of

/** Shows who reads the open case, too. The holder of its lease stands elsewhere: in the row and below the case. */
const viewed = (event) => {
  if (event.case !== open()) return;
  const others = event.by.filter((name) => name !== find("main.queue-page").dataset.account && name !== event.holder);
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
  if (!id && !told) return; // the server knows already that this page shows none
  told = id;
  const answer = await post("/viewing", { page, case: id });
  if (answer?.status === 200) viewed(await answer.json());
};

export const startViewing = () => {
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "pane" && tell());
  document.addEventListener("visibilitychange", tell); // it also comes when the page closes
  setInterval(tell, EVERY);
  tell();
};

const AGAIN = 3_000; // milliseconds before the next try to connect
const SEVERE = 2; // new cases of this severity or above are counted as severe
const COUNTED = new Set(["arrived", "decided", "assigned"]); // news that may change the counts of the top bar

const account = () => find("main.queue-page").dataset.account;

/** Sets a value of a row, or removes it if it is empty. */
const set = (one, name, value) => {
  if (value) one.dataset[name] = value;
  else delete one.dataset[name];
};

export const start = () => {
  const waiting = new Map();
  const mine = new Set(); // cases that this page decided itself

  const show = () => {
    const bar = find("#arrivals");
    const severe = [...waiting.values()].filter((severity) => severity >= SEVERE).length;
    const words = [text("new_cases", { n: waiting.size }), ...(severe ? [text("severe", { n: severe })] : [])];
    find("span", bar).textContent = words.join(", ");
    bar.hidden = waiting.size === 0;
  };

  const hear = {
    arrived: (event) => {
      if (row(event.case)) return;
      waiting.set(event.case, event.severity);
      show();
    },
    decided: (event) => {
      if (waiting.delete(event.case)) show();
      if (event.undone) undone(event.case);
      else done(event.case, event.verdict);
      const shown = find("#pane .case[data-lease]");
      const sent = find("#decide.htmx-request");
      if (!event.undone && shown?.dataset.case === event.case && !sent && !mine.has(event.case)) decidedBy(event.by);
    },
    leased: (event) => {
      heard(event);
      const one = row(event.case);
      if (!one) return;
      set(one, "holder", event.by === account() ? "" : event.by);
      people(one);
    },
    outage,
    viewed,
    assigned: (event) => {
      const one = row(event.case);
      if (!one) return;
      set(one, "owner", event.to);
      set(one, "given", event.to === account() ? "" : event.to); // the next case is one that this person may take
      people(one);
    },
  };

  document.body.addEventListener("decided", (event) => event.detail.cases.forEach((id) => mine.add(id)));
  document.body.addEventListener("undone", (event) => event.detail.cases.forEach((id) => mine.delete(id)));
  document.addEventListener("taken-in", () => {
    waiting.clear();
    show();
  });

  const connect = () => {
    const source = new EventSource("/queue/live");
    source.onopen = () => {
      banner("live");
      document.body.dataset.live = "on";
    };
    source.onerror = () => {
      banner("live", text("lost_line"));
      document.body.dataset.live = "off";
      // EventSource connects again by itself, but not after a refusal, for example while the database is away.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    };
    source.onmessage = (message) => {
      const event = JSON.parse(message.data);
      hear[event.event]?.(event);
      if (COUNTED.has(event.event)) document.body.dispatchEvent(new Event("due"));
      if (event.event === "arrived") say(find("#arrivals span").textContent); // the sum, not each case
    };
  };
  connect();
};
