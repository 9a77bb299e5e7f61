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

/** Selects a line of the text, and brings it into view. */
const go = (line) => {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  text.scrollTop = Math.max(0, (line - 4) * 22);
};

if (text && gutter) {
  const saved = text.value;
  let leaves = false;
  number();
  text.addEventListener("input", number);
  text.addEventListener("scroll", () => (gutter.scrollTop = text.scrollTop));
  document.body.addEventListener("htmx:afterSwap", number);
  document.getElementById("editor").addEventListener("submit", () => (leaves = true));
  addEventListener("beforeunload", (event) => {
    if (!leaves && text.value !== saved) event.preventDefault();
  });
  on("policy_line", (button) => go(Number(button.dataset.line)));
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
