// The editor of a policy: line numbers, jumps to a line, a warning before unsaved text is lost, and one player of clips.
import { find, on, say, text as text_of } from "./dom.js";

const text = document.getElementById("text");
const gutter = find(".gutter");

/** Draws the line numbers. Lines with a mistake are marked. */
const number = () => {
  const wrong = new Set((document.getElementById("remarks")?.dataset.lines || "").split(" ").map(Number));
  const count = text.value.split("\n").length;
  gutter.replaceChildren(
    ...Array.from({ length: count }, (_, index) => {
      const line = document.createElement(wrong.has(index + 1) ? "b" : "span");
      line.textContent = String(index + 1);
      return line;
    }),
  );
  gutter.scrollTop = text.scrollTop;
};

/** Returns where a line begins. */
const starts = (line) => text.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);

/** Selects characters, and brings their line into view. */
const mark = (start, end) => {
  text.focus();
  text.setSelectionRange(start, end);
  text.scrollTop = Math.max(0, (text.value.slice(0, start).split("\n").length - 4) * 22); // a line has 22 pixels
};

/** Selects a line of the text. */
const go = (line) => mark(starts(line), starts(line + 1) - 1);

/** Selects the first `words` at `from` or after it. Returns whether they are there. */
const select = (words, from) => {
  const start = text.value.indexOf(words, from);
  if (start >= 0) mark(start, start + words.length);
  return start >= 0;
};

if (text && gutter) {
  const saved = text.value;
  let leaves = false;
  number();
  text.addEventListener("input", number);
  text.addEventListener("scroll", () => (gutter.scrollTop = text.scrollTop));
  document.body.addEventListener("htmx:afterSwap", number);
  document.body.addEventListener("htmx:beforeOnLoad", ({ detail }) => (leaves = detail.xhr.status === 204));
  addEventListener("beforeunload", (event) => {
    if (!leaves && text.value !== saved) event.preventDefault();
  });
  on("policy_line", (button) => go(Number(button.dataset.line)));
  on("policy_replace", (button) => {
    const { line, wrong } = button.dataset;
    if (!select(wrong, starts(Number(line)))) return go(Number(line));
    document.execCommand("insertText", false, find("input", button.parentElement).value); // so that Ctrl Z works
  });
  document.getElementById("editor").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(".replace input")) return;
    event.preventDefault(); // it would save the draft
    find("button", event.target.parentElement).click();
  });
  const term = decodeURIComponent(location.hash.split("#term=")[1] || "");
  if (term) select(term, 0);
}

/** Plays a clip, or stops it. The audio is fetched as data, because the page may load no media. */
let playing = null;
const stop = () => {
  playing?.source.stop();
  playing?.button.setAttribute("aria-pressed", "false");
  playing = null;
};
on("policy_play", async (button) => {
  const same = playing?.button === button;
  stop();
  if (same) return;
  const answer = await fetch(`/cases/${button.dataset.case}/clip`);
  if (!answer.ok) return say(text_of("no_audio"));
  const context = new AudioContext();
  const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(await answer.arrayBuffer()) });
  source.connect(context.destination);
  source.onended = () => {
    if (playing?.source === source) stop();
    context.close();
  };
  playing = { source, button };
  button.setAttribute("aria-pressed", "true");
  source.start();
});
