// The command palette (Ctrl+K or ⌘K): the actions of this page, then the places to go and the saved views, then one's
// own settings, then a search.
import { act, all, find, keys, on, text } from "./dom.js";

const dialog = () => find("#palette");
const field = () => find("#palette-input");
const box = () => find("#palette-list");
const shown = () => all('[role="option"]', box());

const names = () => new Map(all("#help [data-key]").map((one) => [one.dataset.key, one]));

/** The actions whose button is on the page now. An action of navigation is a place, not an action. */
const actions = () => {
  const known = names();
  return [...known.keys()]
    .filter((name) => name in keys && !name.startsWith("go_") && name !== "palette" && act(name, true))
    .map((name) => {
      const line = known.get(name);
      return { words: find("dd", line).textContent, key: find("kbd", line).textContent, run: () => act(name) };
    });
};

const places = () => {
  const links = all(".top nav a, .menu a.opt").map((one) => [one.getAttribute("href"), one]);
  const first = links.filter(([href], at) => links.findIndex(([other]) => other === href) === at); // bar and menu share some
  return first.map(([href, one]) => {
    const key = find(`#help [data-key="${one.dataset.do}"] kbd`)?.textContent ?? "";
    return { words: wordsOf(one), key, run: () => location.assign(href) };
  });
};

/** The words of a link or button, without its key and its count. */
const wordsOf = (one) => {
  const words = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE || node.matches?.("bdi"));
  return words.map((node) => node.textContent.trim()).join(" ").trim();
};

let views = []; // the saved views, which a person may have changed in another tab

const readViews = async () => {
  const answer = await fetch("/views").catch(() => null);
  if (!answer?.ok) return;
  views = (await answer.json()).map(({ name, href }) => ({ words: text("palette_view", { name }), run: () => location.assign(href) }));
  if (dialog().open) draw();
};

/** The buttons of the menu of one's account: theme, language, signing out. */
const settings = () =>
  all("#me-menu form button").map((one) => {
    const title = one.closest(".pair")?.firstElementChild.textContent;
    return { words: title ? `${title}: ${wordsOf(one)}` : wordsOf(one), run: () => one.click() };
  });

const searching = (query) => () => location.assign(`/search?${new URLSearchParams({ q: query })}`);
const quoted = (words) => (/\s/.test(words) ? `"${words.replaceAll('"', "")}"` : words);

const ID = /^[0-9a-f]{8}[0-9a-f-]*$/; // of a case, whole or as the pages show it

/** What a first character asks for: /words, @speaker, #case. Words without one may be each of them. */
const asked = (typed) => {
  const kind = "#@/".includes(typed[0] ?? " ") ? typed[0] : "";
  const rest = typed.slice(kind.length).trim();
  if (!rest) return [];
  const found = [];
  const id = rest.toLowerCase();
  if (kind === "#" || (!kind && ID.test(id))) found.push({ words: text("palette_case", { what: id }), run: () => location.assign(`/cases/${encodeURIComponent(id)}`) });
  if (!find('.top nav a[href="/search"]')) return found;
  if (kind === "@" || !kind) found.push({ words: text("palette_speaker", { what: rest }), run: searching(`speaker:${quoted(rest)}`) });
  if (kind === "/" || !kind) found.push({ words: text("palette_speech", { what: rest }), run: searching(rest) });
  return found;
};

const fitting = (options, typed) => {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return options.filter((one) => parts.every((part) => one.words.toLowerCase().includes(part)));
};

const groups = (typed) => {
  const only = typed.startsWith(">");
  const words = only ? typed.slice(1) : typed;
  const found = [[text("palette_here"), fitting(actions(), words)]];
  if (!only) found.push([text("palette_places"), fitting([...places(), ...views], words)]);
  found.push([text("palette_settings"), fitting(settings(), words)]);
  if (!only) found.push([text("palette_search"), asked(typed)]);
  return found.filter(([, options]) => options.length);
};

const choose = (option) => {
  for (const one of shown()) one.setAttribute("aria-selected", String(one === option));
  if (option) field().setAttribute("aria-activedescendant", option.id);
  else field().removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
};

const element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

let runs = new Map();

const draw = () => {
  runs = new Map();
  const drawn = groups(field().value).map(([title, options], group) => {
    const head = element("p", { id: `palette-group-${group}`, class: "grp" }, title);
    const lines = options.map((one) => {
      const line = element("div", { id: `palette-option-${runs.size}`, role: "option", class: "opt", "aria-selected": "false" });
      line.append(element("span", { class: "clip grow" }, one.words));
      if (one.key) line.append(element("kbd", { "aria-hidden": "true" }, one.key));
      runs.set(line.id, one.run);
      return line;
    });
    return element("div", { role: "group", "aria-labelledby": head.id }, head, ...lines);
  });
  box().replaceChildren(...(drawn.length ? drawn : [element("p", { class: "grp" }, text("palette_nothing"))]));
  choose(shown()[0]);
};

const run = (option) => {
  const chosen = option && runs.get(option.id);
  if (!chosen) return;
  dialog().close();
  chosen();
};

const step = (by) => {
  const list = shown();
  const at = list.findIndex((one) => one.getAttribute("aria-selected") === "true");
  if (list.length) choose(list[(at + by + list.length) % list.length]);
};

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export const open = () => {
  if (find("dialog[open]")) return;
  field().value = "";
  dialog().showModal();
  field().focus();
  draw();
  readViews();
};

export const start = () => {
  on("palette", open);
  field().addEventListener("input", draw);
  field().addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return; // as in keyboard.js
    if (event.key in STEPS) step(STEPS[event.key]);
    else if (event.key === "Enter") run(find('[aria-selected="true"]', box()));
    else return;
    event.preventDefault();
  });
  box().addEventListener("click", (event) => run(event.target.closest('[role="option"]')));
  dialog().addEventListener("click", (event) => event.target === dialog() && dialog().close()); // on the backdrop
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    if (dialog().open) dialog().close();
    else open();
  });
};
