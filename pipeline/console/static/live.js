// Live updates: the bar above the list counts new cases, and each row shows who has its case.
import { find, say, text } from "./dom.js";
import { decidedBy, heard } from "./lease.js";
import { done, people, row, undone } from "./list.js";
import { viewed } from "./viewing.js";

const SEVERE = 2; // new cases of this severity or above are counted as severe
const COUNTED = new Set(["arrived", "decided", "assigned"]); // news that may change the counts of the top bar

const account = () => find("main.desk").dataset.account;

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

  const line = find("#line");
  const source = new EventSource("/queue/live");
  source.onopen = () => {
    line.hidden = true;
    document.body.dataset.live = "on";
  };
  source.onerror = () => {
    line.textContent = text("lost_line");
    line.hidden = false;
    document.body.dataset.live = "off";
  };
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    hear[event.event]?.(event);
    if (COUNTED.has(event.event)) document.body.dispatchEvent(new Event("due"));
    if (event.event === "arrived") say(find("#arrivals span").textContent);
  };
};
