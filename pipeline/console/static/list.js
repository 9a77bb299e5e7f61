// The list and the case beside it: the open row and the decided rows. The list never moves by itself.
// Deadlines tick: "due in 4 m", later "late by 2 m". Each `.due` says how many seconds were left when it was made.
import { all, find, on, say, text, texts } from "./dom.js";
import { arrive, held, leave, left } from "./lease.js";
import { ended, goOn } from "./sending.js";

const SOON = 600; // seconds, as in macros.html
const UNITS = [["days", 86_400], ["hours", 3_600], ["minutes", 60], ["seconds", 1]];

/** A time span in words, as `age` of rendering.py writes it. */
const age = (seconds) => {
  const [name, length] = UNITS.find((unit) => seconds >= unit[1]) ?? UNITS.at(-1);
  return texts[`time.${name}`].replace("{n}", Math.floor(seconds / length));
};

const showDue = (one, now) => {
  one.dataset.until ??= now + Number(one.dataset.left); // by this computer's clock, which may differ from the server's
  const left = one.dataset.until - now;
  const words = texts[left < 0 ? "time.late" : "time.due_in"].replace("{age}", age(Math.abs(left)));
  if (one.textContent !== words) one.textContent = words;
  one.classList.toggle("late", left < 0);
  one.classList.toggle("soon", left >= 0 && left < SOON);
};

/** Brings all deadlines of the page up to date. In the row of a decided case, the verdict stands there. */
const tick = () => {
  const now = Date.now() / 1000;
  for (const one of all(":not([data-done]) > .due[data-left]")) showDue(one, now);
};

export const startDue = () => {
  tick();
  document.body.addEventListener("htmx:afterSwap", tick); // new rows count from now
  setInterval(tick, 1000);
};

const main = () => find("main.queue-page");
const rows = () => all("#rows .row");
export const row = (id) => find(`#rows .row[data-case="${CSS.escape(id)}"]`); // an id may come from the address
const current = () => find('#rows .row[aria-current="true"]');
const decides = () => main().dataset.decides === "yes";
const free = (one) => !one.dataset.done && !one.dataset.holder && !one.dataset.given; // given: to somebody else

const mark = (id) => {
  current()?.removeAttribute("aria-current");
  const chosen = row(id);
  if (chosen) {
    chosen.setAttribute("aria-current", "true");
    chosen.scrollIntoView({ block: "nearest" });
  }
  const at = rows().indexOf(chosen) + 1;
  find("#place").textContent = at ? text("place", { at, all: main().dataset.total }) : "";
  return at;
};

/** Shows the list or the case. Both are in sight unless the window is narrow. */
const show = (what) => (main().dataset.show = what);

const address = (path) => path + main().dataset.query;

const take = (id, instead, step) => {
  mark(id); // also if the answer is a refusal, so that the next step goes on from here
  const [verb, path] = decides() ? ["POST", `/cases/${id}/open`] : ["GET", `/cases/${id}`];
  const values = decides() ? { instead, step } : {};
  if (decides()) leave();
  return htmx.ajax(verb, path, { target: "#pane", swap: "innerHTML", values }).finally(arrive);
};

export const open = (id, instead = "", step = "") => goOn(() => take(id, instead, step));

/** Opens the case to read it, without a lease. */
export const watch = (id) => htmx.ajax("GET", `/cases/${id}`, { target: "#pane", swap: "innerHTML" });

let loading = null;

/** Adds the next page to the list. Returns false if there is none. Calls in the meantime wait for the same page. */
const more = () => {
  const button = find("#rows .more button");
  if (!button) return false;
  const load = async () => {
    try {
      // htmx queues only one request of an element and drops the others. So the request belongs to the button.
      const to = { source: button, target: button.closest("li"), swap: "outerHTML" };
      await htmx.ajax("GET", button.dataset.href, to);
    } finally {
      loading = null;
    }
    scrolled();
    return !button.isConnected;
  };
  loading ??= load();
  return loading;
};

/** Loads the next page when its button scrolls into view. */
const scrolled = () => {
  const button = find("#rows .more button");
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    more();
  });
  if (button) seen.observe(button);
};

/** Returns the next row that nobody has, or the one before. */
export const neighbour = (by) => {
  const list = rows();
  const from = list.indexOf(current());
  const ahead = by > 0 ? list.slice(from + 1) : list.slice(0, from < 0 ? list.length : from).reverse();
  return ahead.find(free);
};

/** Opens the next case that nobody has, or the one before. During a break, a `key` takes none. */
const step = async (by, key = "") => {
  const next = neighbour(by);
  if (next) return open(next.dataset.case, "", key);
  leave(); // what is shown may be decided already
  const grown = by > 0 && (await more());
  arrive();
  if (grown) return step(by, key);
  say(text("end"));
  find("#place").textContent = text("end");
};

const refresh = async () => {
  const chosen = current()?.dataset.case;
  await htmx.ajax("GET", address("/queue/rows"), { source: "#rows", target: "#rows", swap: "innerHTML" });
  if (chosen) mark(chosen);
  scrolled();
};

/** Marks a row as decided. The verdict stands where the deadline stood, so that no row moves. */
export const done = (id, verdict) => {
  const one = row(id);
  const words = find(`template[data-verdict="${verdict}"]`);
  if (!one) return;
  one.dataset.done = verdict;
  if (words) find(".due", one).replaceChildren(words.content.cloneNode(true));
};

/** Shows in a row who works on its case, or else who it is assigned to. */
export const people = (one) => {
  const { holder, owner } = one.dataset;
  const who = find(`template[data-who="${holder ? "holder" : "owner"}"]`).content.cloneNode(true);
  for (const name of all("bdi", who)) name.textContent = holder || owner;
  for (const letter of all(".avatar bdi", who)) letter.textContent = holder.slice(0, 1).toUpperCase();
  find(".holder", one).replaceChildren(...(holder || owner ? [who] : []));
};

export const undone = (id) => {
  const one = row(id);
  if (!one?.dataset.done) return;
  delete one.dataset.done;
  tick();
};

const arrived = (pane) => {
  const shown = find(".case", pane);
  if (!shown) return;
  const id = shown.dataset.case;
  const at = mark(id);
  const narrow = getComputedStyle(find(".only-m", pane)).display !== "none";
  // In a narrow window, Back returns from the case to the list. Elsewhere it leaves the queue, and not case by case.
  const go = narrow && main().dataset.show === "list" ? "pushState" : "replaceState";
  history[go](null, "", address(`/cases/${id}`));
  show("case");
  const title = find("#case-title", pane); // gets the focus, so that a screen reader reads the new case
  const total = main().dataset.total;
  title.setAttribute("aria-label", at ? text("opened", { at, all: total, what: shown.dataset.what }) : shown.dataset.what);
  title.focus({ preventScroll: true });
  reveal(find(".evidence", pane));
};

/** Scrolls the evidence so that the first hit is in sight. */
export const reveal = (evidence) => {
  const hit = evidence && (find(".w.hit", evidence) || find(".turn.this", evidence));
  if (!hit) return;
  const [outer, inner] = [evidence.getBoundingClientRect(), hit.getBoundingClientRect()];
  if (inner.bottom > outer.bottom - 8) evidence.scrollTop += inner.top - outer.top - outer.height / 3;
};

export const start = () => {
  on("next", () => step(1, "yes"));
  on("previous", () => step(-1, "yes"));
  document.body.addEventListener("resting", () => {
    mark(find("#pane .case")?.dataset.case ?? "");
    say(text("resting"));
    find("#place").textContent = text("resting");
  });
  on("open", (button) => {
    const id = find("#pane .case")?.dataset.case;
    if (id && !button.hasAttribute("data-again")) open(id, button.dataset.instead);
  });
  on("watch", () => watch(find("#pane .case").dataset.case));
  on("show_list", () => {
    show("list");
    history.replaceState(null, "", address("/queue"));
  });
  addEventListener("popstate", () => show(location.pathname === "/queue" ? "list" : "case"));
  on("more", more);
  on("take_in", async (button) => {
    button.hidden = true;
    document.dispatchEvent(new CustomEvent("taken-in"));
    await refresh();
  });
  find("#rows").addEventListener("click", (event) => {
    const chosen = event.target.closest(".row");
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a tab
    event.preventDefault();
    open(chosen.dataset.case);
  });
  document.body.addEventListener("decided", (event) => {
    event.detail.cases.forEach((id) => done(id, event.detail.verdict));
    ended(() => step(1));
  });
  document.body.addEventListener("skipped", () => ended(() => step(1)));
  document.body.addEventListener("undone", (event) => {
    event.detail.cases.forEach(undone);
    open(event.detail.cases[0]);
  });
  // Not in `take`: there the case before may still be on its way, and its lease is the one to leave.
  document.body.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.path.endsWith("/open")) detail.parameters.leaving = left();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "pane" && arrived(event.detail.target));
  scrolled();
  const shown = find("#pane .case");
  if (!shown) return;
  const mine = decides() && held() === shown.dataset.case && !shown.dataset.lease;
  arrived(find("#pane"));
  if (mine) open(shown.dataset.case); // the person was signed out or loaded the page again, and goes on
};
