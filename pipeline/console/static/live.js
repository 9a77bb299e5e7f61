// Live updates: the bar above the list counts new cases, and each row shows who holds its case.
import { find, say, text } from "./dom.js";
import { decidedBy, heard } from "./lease.js";
import { done, row, undone } from "./list.js";

const SEVERE = 2; // new cases of this severity or above are counted as severe

/** Shows in a row who has its case. */
const hold = (one, name) => {
  const letter = Object.assign(document.createElement("span"), { className: "avatar s", ariaHidden: "true" });
  letter.textContent = name.slice(0, 1).toUpperCase();
  const words = Object.assign(document.createElement("bdi"), { textContent: name });
  find(".holder", one).replaceChildren(...(name ? [letter, words] : []));
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
      const other = event.by && event.by !== find("main.desk").dataset.account;
      if (other) one.dataset.holder = event.by;
      else delete one.dataset.holder;
      hold(one, other ? event.by : "");
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
    if (event.event === "arrived") say(find("#arrivals span").textContent);
  };
};
