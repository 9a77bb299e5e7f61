// The strip above the decision bar: how long the case is ours, who took it, what is being sent, and what was not.
import { find, keys, post, say, text } from "./dom.js";

const EVERY = 30_000; // the shortest time between two renewals, in milliseconds
const LAST = 60; // in the last 60 seconds the strip asks for a key
const SAID = [60, 10]; // at these numbers of seconds the time left is read out
const MISSED = 4_000; // milliseconds for which the strip says that a key did nothing, also over the next case

const CAPS = { Enter: "↵", " ": "␣" };
const shown = (name) => CAPS[keys[name]] ?? keys[name] ?? "";
const account = () => find("main.queue-page")?.dataset.account;
const open = () => find("#pane .case");

let moving = false; // the page opens another case, so the end of this lease is no news

const move = (on) => {
  moving = on;
  find("#pane").ariaBusy = String(on); // what is shown can no longer be decided
  if (!on) document.dispatchEvent(new Event("arrived"));
};
/** Begins the move to another case. */
export const leave = () => move(true);
/** Returns the lease that this tab leaves. The tab remembers it, so that a loaded page can leave its case, too. */
export const left = () => sessionStorage.getItem("lease") || "";
/** Ends the move to another case, whatever came of it. */
export const arrive = () => move(false);
/** The case that this tab held, if the same person is back. */
export const held = () => (sessionStorage.getItem("holder") === account() && sessionStorage.getItem("held")) || "";

let lease = "";
let until = 0;
let renewed = 0;
let last = 0;
let missedUntil = 0;

/** Makes a button of the strip, with its key if it has one. */
const button = (name, words, again = false) => {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: `${words} ` });
  made.dataset.do = name;
  made.toggleAttribute("data-again", again);
  const cap = Object.assign(document.createElement("kbd"), { textContent: shown(name), ariaHidden: "true" });
  if (cap.textContent) made.append(cap);
  return made;
};

/** Puts a message and its buttons into the strip. `state` is held, last, sending, missed, lost or unsent. */
const put = (state, words, ...buttons) => {
  const strip = find("#strip");
  const mine = state === "held" || state === "last";
  const look = mine ? "nowrap" : `${state === "sending" ? "" : "late "}clip`;
  if (strip.dataset.state !== state) {
    strip.dataset.state = state;
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    const message = Object.assign(document.createElement("span"), { id: "lease", className: look });
    if (mine) message.ariaHidden = "true"; // it changes every second; `say` reads it out now and then
    find("#hold").replaceChildren(...(mine ? [dot] : []), message, ...buttons);
  }
  find("#lease").textContent = words;
};

const missing = () => find("#strip")?.dataset.state === "missed" && performance.now() < missedUntil;

const clear = () => {
  if (missing()) return;
  find("#hold")?.replaceChildren();
  delete find("#strip")?.dataset.state;
};

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

const show = () => {
  if (!lease || missing() || ["sending", "lost", "unsent"].includes(find("#strip").dataset.state)) return;
  const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
  const ends = left <= LAST;
  put(ends ? "last" : "held", text(ends ? "lease_last" : "lease_left", { left: clock(left) }));
  // Each number is read out when it is passed. A timer of a tab in the background may skip it.
  for (const mark of SAID) if (last > mark && left <= mark) say(text("lease_last", { left: clock(left) }));
  last = left;
};

/** Says what is on its way to the server. */
export const sends = (what) => put("sending", text("sending", { what }));
/** Ends the words of `sends`, whatever the answer was. */
export const answered = () => {
  if (find("#strip").dataset.state !== "sending") return;
  clear();
  show();
};
/** Says for a while that a key did nothing. */
export const missed = (words) => {
  missedUntil = performance.now() + MISSED;
  put("missed", words);
  say(words);
};
/** Says that a decision was not sent. The form stays, and one key sends it again. */
export const unsent = (words) => {
  put("unsent", words, button("open", text("again"), true));
  say(words);
};

const remember = (id, of) => {
  sessionStorage.setItem("lease", id);
  sessionStorage.setItem("held", of);
  sessionStorage.setItem("holder", account());
};

/** Takes over the case in the pane: its lease, or none. */
const take = () => {
  const shown = open();
  lease = find("#lease-id")?.value || "";
  move(false);
  clear();
  if (!shown) return;
  if (lease) remember(lease, shown.dataset.case);
  // Seconds that are left, not a time of day: the clock of this computer may be wrong.
  until = lease ? performance.now() + Number(shown.dataset.leaseSeconds || 300) * 1000 : 0;
  renewed = performance.now();
  last = Infinity;
  show();
};

const stop = (state, words, ...buttons) => {
  if (state === "lost") {
    lease = "";
    for (const one of document.querySelectorAll("#decide .v-btn, #like .v-btn")) one.disabled = true;
  }
  put(state, words, ...buttons);
};

/** Somebody else has the case, or it is decided, or it is free again. */
const lost = (holder) => {
  if (holder) stop("lost", text("lease_lost", { name: holder }), button("watch", text("watch")), button("next", text("next")));
  else stop("lost", text("lease_free"), button("open", text("claim")));
};

const signedOut = () => {
  const link = document.createElement("a");
  link.href = `/login?then=${encodeURIComponent(location.pathname + location.search)}`;
  link.className = "btn";
  link.textContent = text("sign_in");
  stop("lost", text("signed_out"), link);
};

/** Asks the server for the lease again. If it ended, the server knows who has the case, and `ended` says so. */
const ask = async (ended = lost) => {
  const [asked, id] = [lease, open()?.dataset.case];
  renewed = performance.now(); // before the answer, so that keys in the meantime send no second request
  const answer = await post(`/leases/${asked}/renew`, { case: id });
  if (asked !== lease || moving || find("#decide.htmx-request")) return; // what is on its way ends the lease
  if (answer?.ok) {
    until = performance.now() + (await answer.json()).seconds * 1000;
    show();
  } else if (answer?.status === 409) ended((await answer.json()).holder);
  else if (answer?.status === 401) signedOut();
};

const renew = () => lease && performance.now() - renewed > EVERY && ask();

/** Hears from the live updates that the lease on a case changed. */
export const heard = (event) => {
  if (open()?.dataset.case !== event.case || !lease || find("#decide.htmx-request")) return;
  if (event.by && event.by !== account()) lost(event.by);
  else ask(); // this person may have taken the case in another tab
};

/** Hears that somebody decided the open case. What is heard may be old, so the server is asked. */
export const decidedBy = (name) => {
  ask(() => stop("lost", text("decided_by", { name }), button("next", text("next"))));
};

export const start = () => {
  for (const kind of ["keydown", "pointerdown", "input", "voxwarden:playing"]) document.addEventListener(kind, renew);
  const body = document.body;
  body.addEventListener("htmx:afterSettle", (event) => event.detail.target.id === "pane" && take());
  // The lease ends with the decision. What the live updates say about it then is no news.
  for (const kind of ["decided", "skipped"]) body.addEventListener(kind, () => (lease = ""));
  body.addEventListener("retaken", () => {
    find("#conflict").replaceChildren();
    lease = find("#lease-id").value;
    remember(lease, open().dataset.case);
    for (const one of document.querySelectorAll("#decide .v-btn")) one.disabled = false;
    delete find("#strip").dataset.state;
  });
  setInterval(show, 1000);
  take(); // the case that came with the page
};
