// The decision form: pickers that open upwards, the note, the draft of each case, and deciding similar cases at once.
// The left half of the strip: the last decision, and the seconds in which it can be undone.
import { all, find, on, text } from "./dom.js";
import { goOn } from "./sending.js";

/** A word of Chinese characters finds a choice that has all of them, in any order: 辱骂 finds 谩骂侮辱. */
const HAN = /^\p{Script=Han}+$/u;

const account = () => find("main.queue-page")?.dataset.account;
const place = (id) => `draft ${account()} ${id}`;
const fields = () => all('#decide input[name="label"], #decide input[name="reason"], #decide select[name="action"], #decide textarea');
const field = (name) => find(`#decide [name="${name}"]`);
const button = (name) => find(`#decide [data-picks="${name}"]`);
const boxOf = (name) => find(`#picker-${name}`);

/** Shows the chosen value on the button of a field. */
const show = (name) => {
  if (!button(name)) return; // the action is a list of the browser
  const value = field(name).value;
  const words = find(".v", button(name));
  if (name === "note") {
    words.textContent = value || words.dataset.empty;
    words.classList.toggle("faint", !value);
    return;
  }
  for (const option of all("[role=option]", boxOf(name))) {
    option.setAttribute("aria-selected", String(option.dataset.value === value));
    if (option.dataset.value === value) words.textContent = find(".t", option).textContent;
  }
};

const close = (focus = true) => {
  const box = all(".picker").find((one) => !one.hidden);
  if (!box) return false;
  box.hidden = true;
  const owner = button(box.id.replace("picker-", ""));
  owner.setAttribute("aria-expanded", "false");
  if (focus) find("#case-title").focus({ preventScroll: true }); // so that single keys work again
  return true;
};

const options = (box) => all("[role=option]", box).filter((one) => !one.hidden);

/** Moves to an option. The field keeps the focus, and names the option as its active one. */
const point = (box, option) => {
  for (const one of all(".at", box)) one.classList.remove("at");
  find(".means", box).textContent = option?.dataset.means || "";
  if (!option) return;
  option.classList.add("at");
  option.scrollIntoView({ block: "nearest" });
  find("[role=combobox]", box).setAttribute("aria-activedescendant", option.id);
};

const filter = (box) => {
  const wanted = find("[role=combobox]", box).value.trim().toLowerCase();
  for (const one of all("[role=option]", box)) {
    const words = `${one.dataset.words} ${find(".t", one).textContent.toLowerCase()}`;
    one.hidden = !words.includes(wanted) && !(HAN.test(wanted) && [...wanted].every((letter) => words.includes(letter)));
  }
  point(box, options(box)[0]);
  if (!options(box).length) find(".means", box).textContent = box.dataset.none;
};

const choose = (name, option) => {
  if (!option) return;
  field(name).value = option.dataset.value;
  show(name);
  keep();
  close();
  field(name).dispatchEvent(new Event("change", { bubbles: true })); // another label may lead to another measure
};

const openBox = (name) => {
  const box = boxOf(name);
  if (!box.hidden) return close();
  close(false);
  box.hidden = false;
  button(name).setAttribute("aria-expanded", "true");
  const input = find("[role=combobox], textarea", box);
  if (name !== "note") {
    input.value = "";
    filter(box);
    point(box, find('[aria-selected="true"]', box));
  }
  input.focus();
};

const typed = (event) => {
  const input = event.target;
  const name = input.dataset?.picker;
  if (!name || event.isComposing) return; // Enter and digits choose a word of the input method
  const box = boxOf(name);
  const list = options(box);
  const at = list.findIndex((one) => one.classList.contains("at"));
  const digit = /^[0-9]$/.test(event.key) && !input.value && list[Number(event.key)]; // later digits are part of a word
  if (event.key === "ArrowDown" || event.key === "ArrowUp") point(box, list.at((at + (event.key === "ArrowDown" ? 1 : -1)) % list.length));
  else if (event.key === "Enter") choose(name, list[at]);
  else if (event.key === "Tab") choose(name, list[at]);
  else if (digit) choose(name, digit);
  else return;
  event.preventDefault();
};

/** Keeps what is in the form for this person and case, on this device, until the case is decided. */
const keep = () => {
  const id = find("#pane .case")?.dataset.case;
  const draft = Object.fromEntries(fields().map((one) => [one.name, one.value]));
  if (!id) return;
  if (Object.values(draft).some(Boolean)) sessionStorage.setItem(place(id), JSON.stringify(draft));
  else sessionStorage.removeItem(place(id));
};

const restore = () => {
  const id = find("#pane .case")?.dataset.case;
  const draft = id && find("#decide") && JSON.parse(sessionStorage.getItem(place(id)) || "null");
  for (const [name, value] of Object.entries(draft || {})) {
    if (!field(name)) continue;
    field(name).value = value;
    show(name);
  }
};

const forget = (event) => event.detail.cases.forEach((id) => sessionStorage.removeItem(place(id)));

const like = (asked) => {
  const bar = find("#like");
  if (bar.children.length) {
    bar.replaceChildren();
    find("#case-title").focus({ preventScroll: true });
  } else htmx.ajax("GET", asked.dataset.href, { target: "#like", swap: "innerHTML" });
};

export const start = () => {
  for (const name of ["label", "reason", "note"]) on(name, (asked) => asked.matches(".pick") && openBox(name));
  on("like", like);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !close() && find("#like")?.children.length) like();
    else typed(event);
  });
  document.addEventListener("input", (event) => {
    if (event.target.dataset?.picker) filter(boxOf(event.target.dataset.picker));
    else if (event.target.matches("#decide textarea")) {
      show("note");
      keep();
    }
  });
  document.addEventListener("change", (event) => event.target.matches('#decide [name="action"]') && keep());
  document.addEventListener("pointerdown", (event) => {
    const option = event.target.closest?.(".picker [role=option]");
    if (option) {
      event.preventDefault(); // the field keeps the focus
      choose(option.closest(".picker").id.replace("picker-", ""), option);
    } else if (!event.target.closest?.(".picker, .pick")) close(false);
  });
  const body = document.body;
  body.addEventListener("decided", forget);
  body.addEventListener("skipped", forget);
  body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "pane") restore();
    if (event.detail.target.id === "like") find("#like-title")?.focus();
    if (event.detail.target.id === "conflict" && find("#conflict-title")) {
      find(".evidence").scrollTop = 0;
      find("#conflict-title").focus();
    }
  });
  // Drafts hold notes about a case. The next person on this device must not find them.
  find('form[action="/logout"]')?.addEventListener("submit", () => sessionStorage.clear());
  restore();
};

const idle = () => {
  const words = document.createElement("span");
  words.className = "faint clip";
  words.textContent = text("nothing_to_undo");
  find("#undo").replaceChildren(words);
};

/** Counts the seconds down in which a decision can be undone. Then calls `over`. */
const countDown = (line, over) => {
  if (!line) return;
  const until = performance.now() + Number(line.dataset.seconds) * 1000;
  const tick = () => {
    if (!line.isConnected) return; // a newer decision has replaced it
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left <= 0) over();
    else {
      find(".left", line).textContent = text("undo_left", { n: left });
      setTimeout(tick, 250); // not 1000: a late timer would skip a number
    }
  };
  tick();
};

const undo = () => {
  // Not the button asks, but the line around it: an answer replaces the button, and with it what waits there.
  const ask = () => htmx.ajax("POST", "/undo", { source: "#undo", target: "#undo", swap: "innerHTML" });
  goOn(ask); // an undo that overtakes a decision would take back the one before it
};

export const startUndo = () => {
  on("undo", undo);
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "undo" && countDown(find("#undo .did"), idle));
};

/** On the page of appeals, the line of the last one that was settled. */
export const startSettled = () => {
  const line = find("main > .did");
  countDown(line, () => line.remove());
};
