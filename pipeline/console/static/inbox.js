// The counts of inbox, queue and appeals on every page, and browser notifications. There is no push service: a page must be open.
import { all, find, text } from "./dom.js";
import { isOutage, outage } from "./outage.js";

const EVERY = 20_000; // milliseconds between two requests
const GAP = 5_000; // milliseconds that news waits after a request, because news often come together
const LOCK = "voxwarden-notices"; // of many open tabs, only the one that has it shows notifications
const SINCE = "voxwarden.notices"; // when the last news came, so that no tab tells them again

const link = find("#inbox");
let asked = -Infinity; // when the last request began
let timer = 0;
let tells = false; // whether this tab shows notifications

/** A number as the server counts it: up to 100. */
const bounded = (n) => (n > 99 ? "99+" : String(n));

const count = (n) => {
  const shown = bounded(n);
  const bubble = find(".count", link);
  bubble.textContent = shown;
  bubble.hidden = n === 0;
  link.setAttribute("aria-label", n ? text("inbox", { n: shown }) : link.title);
};

const tell = (news) => {
  const lines = Object.entries(news).flatMap(([name, n]) => (n ? [text(`notice_${name}`, { n })] : []));
  if (lines.length === 0) return;
  const notice = new Notification("Voxwarden", { body: lines.join("\n"), tag: LOCK, icon: "/static/icon.svg" });
  notice.onclick = () => {
    focus();
    location.assign("/inbox");
  };
};

const look = async () => {
  asked = performance.now();
  const since = tells ? localStorage.getItem(SINCE) : null;
  const answer = await fetch(`/inbox/due${since ? `?since=${since}` : ""}`);
  if (isOutage(answer.status)) outage();
  if (!answer.ok) return;
  const { count: n, at, news, ...bar } = await answer.json();
  count(n);
  // During an upgrade an older console may answer, which does not count them.
  for (const place of all("[data-count]")) place.textContent = bounded(bar[place.dataset.count] ?? 0);
  if (!tells) return;
  localStorage.setItem(SINCE, String(at));
  tell(news);
};

const ask = async (form) => {
  const answer = await Notification.requestPermission();
  if (answer === "granted") form.submit();
  else find("#notify-refused").hidden = false;
};

const wanted = () => link.dataset.notify === "yes" && "Notification" in window && Notification.permission === "granted";

if (link) {
  // A server that is away is told by the live updates.
  const again = () => look().catch(() => {});
  const soon = () => {
    const wait = Math.max(0, asked + GAP - performance.now());
    timer ||= setTimeout(() => ((timer = 0), again()), wait); // one request for all news until then
  };
  again();
  setInterval(again, EVERY);
  document.body.addEventListener("due", soon);
  if (wanted() && navigator.locks) { // only with HTTPS or on localhost
    navigator.locks.request(LOCK, () => {
      tells = true;
      again();
      return new Promise(() => {}); // the tab keeps the lock as long as it is open
    });
  }
}

find("#notifications form")?.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.elements.on.value === "no") return;
  event.preventDefault();
  if ("Notification" in window) ask(form);
  else find("#notify-refused").hidden = false;
});
