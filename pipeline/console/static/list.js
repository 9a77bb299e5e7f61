// The list and the case beside it: the open row and the decided rows. The list never moves by itself.
import { all, find, on, say, text } from "./dom.js";

const rows = () => all("#rows .row");
export const row = (id) => find(`#rows .row[data-case="${CSS.escape(id)}"]`);
const current = () => find('#rows .row[aria-current="true"]');
const decides = () => find("main.desk").dataset.decides === "yes";
const free = (one) => !one.dataset.done && !one.dataset.holder;

const mark = (id) => {
  current()?.removeAttribute("aria-current");
  const chosen = row(id);
  if (!chosen) return;
  chosen.setAttribute("aria-current", "true");
  chosen.scrollIntoView({ block: "nearest" });
  const list = rows();
  say(text("opened", { at: list.indexOf(chosen) + 1, all: list.length, what: chosen.innerText.replace(/\s+/g, " ") }));
};

export const open = (id) => {
  mark(id);
  const [verb, path] = decides() ? ["POST", `/cases/${id}/open`] : ["GET", `/cases/${id}`];
  return htmx.ajax(verb, path, { target: "#pane", swap: "innerHTML" });
};

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
    watch();
    return !button.isConnected;
  };
  loading ??= load();
  return loading;
};

/** Loads the next page when its button scrolls into view. */
const watch = () => {
  const button = find("#rows .more button");
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    more();
  });
  if (button) seen.observe(button);
};

const step = async (by) => {
  const list = rows();
  const from = list.indexOf(current());
  const ahead = by > 0 ? list.slice(from + 1) : list.slice(0, from < 0 ? list.length : from).reverse();
  const next = ahead.find(free);
  if (next) open(next.dataset.case);
  else if (by > 0 && (await more())) step(by);
  else say(text("end"));
};

const refresh = async () => {
  const chosen = current()?.dataset.case;
  await htmx.ajax("GET", `/queue/rows${location.pathname === "/queue" ? location.search : ""}`, {
    source: "#rows",
    target: "#rows",
    swap: "innerHTML",
  });
  if (chosen) row(chosen)?.setAttribute("aria-current", "true");
  watch();
};

export const done = (id, verdict) => {
  const one = row(id);
  if (one) one.dataset.done = verdict;
};

export const undone = (id) => {
  const one = row(id);
  if (one) delete one.dataset.done;
};

const countDown = () => {
  const line = find("#undo .did[data-seconds]");
  if (!line) return;
  const until = performance.now() + Number(line.dataset.seconds) * 1000;
  const tick = () => {
    if (!line.isConnected) return;
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left <= 0) line.remove();
    else {
      find(".left", line).textContent = text("undo_left", { n: left });
      setTimeout(tick, 250);
    }
  };
  tick();
};

export const start = () => {
  on("next", () => step(1));
  on("previous", () => step(-1));
  on("open", () => {
    const id = find("#pane .case")?.dataset.case;
    if (id) open(id);
  });
  on("more", more);
  on("take_in", async (button) => {
    button.hidden = true;
    document.dispatchEvent(new CustomEvent("taken-in"));
    await refresh();
  });
  find("#rows").addEventListener("click", (event) => {
    const chosen = event.target.closest(".row");
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(chosen.dataset.case);
  });
  document.body.addEventListener("decided", (event) => {
    event.detail.cases.forEach((id) => done(id, "mine"));
    step(1);
  });
  document.body.addEventListener("skipped", () => step(1));
  document.body.addEventListener("undone", (event) => {
    event.detail.cases.forEach(undone);
    open(event.detail.cases[0]);
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "undo") countDown();
    if (event.detail.target.id !== "pane") return;
    event.detail.target.scrollTop = 0;
    find("#case-title")?.focus({ preventScroll: true });
  });
  watch();
  const shown = find("#pane .case");
  if (shown) mark(shown.dataset.case);
};
