// Live updates: the bar above the list counts new cases, and each row shows who holds its case.
import { find, say, text } from "./dom.js";
import { done, row, undone } from "./list.js";

const SEVERE = 2; // new cases of this severity or above are counted as severe

export const start = () => {
  const waiting = new Map();

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
    },
    leased: (event) => {
      const one = row(event.case);
      if (!one) return;
      const mine = event.by === find("main.desk").dataset.account;
      if (event.by && !mine) one.dataset.holder = event.by;
      else delete one.dataset.holder;
      find(".holder", one).textContent = event.by && !mine ? text("held", { name: event.by }) : "";
    },
  };

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
