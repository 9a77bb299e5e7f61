// Plays the flagged part of a clip where its button stands: in search, and on the pages of speakers and rooms.
import { all, find, on, say, text } from "./dom.js";

const SOFT = 3000; // a softened voice contains nothing above this frequency in hertz
export const VOLUME = 0.6;
const BEFORE = 1; // seconds of sound before the flagged part

let context, out, source, playing;

/** Returns the highest frequency that is heard. Half the sample rate: all of them. */
export const cutoff = ({ sampleRate }, soft) => (soft ? SOFT : sampleRate / 2);

/** Connects the way of the sound to the ears, which begins at `low`: softening, limiter, volume. */
export const chain = (to, soft) => {
  const low = new BiquadFilterNode(to, { type: "lowpass", frequency: cutoff(to, soft) });
  // The limiter protects the ears from shouts: it lowers loud sound within milliseconds.
  const limit = new DynamicsCompressorNode(to, { threshold: -12, knee: 0, ratio: 20, attack: 0.001, release: 0.1 });
  const volume = new GainNode(to, { gain: VOLUME });
  low.connect(limit).connect(volume).connect(to.destination);
  return { low, volume };
};

const setUp = () => {
  if (context) return; // only after a click: before it, browsers allow no sound
  context = new AudioContext();
  out = chain(context, find("main").dataset.soften === "on").low;
};

const stop = () => {
  const [before, button] = [source, playing];
  source = playing = null;
  before?.stop();
  button?.setAttribute("aria-pressed", "false");
};

// Frames count the listening time, as in the player of a case.
const follow = (button) => {
  if (playing !== button) return;
  document.dispatchEvent(new CustomEvent("voxwarden:playing"));
  requestAnimationFrame(() => follow(button));
};

const sound = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(String(answer.status));
  return context.decodeAudioData(await answer.arrayBuffer());
};

/** Plays the clip of a button, or stops it if it plays. */
const toggle = async (button) => {
  const again = playing === button;
  stop();
  if (again) return;
  setUp();
  playing = button;
  button.setAttribute("aria-pressed", "true");
  try {
    await context.resume();
    const buffer = await sound(button.dataset.play);
    if (playing !== button) return; // another button was pressed meanwhile
    const from = Math.max(0, Number(button.dataset.from) - BEFORE);
    source = new AudioBufferSourceNode(context, { buffer });
    source.connect(out);
    source.start(0, from, Math.max(1, Number(button.dataset.to) - from));
    source.onended = ({ target }) => target === source && stop(); // the end of an earlier clip comes late
    follow(button);
  } catch {
    stop();
    button.dataset.state = "failed";
    say(text("no_audio"));
  }
};

export const start = () => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-play]");
    if (!button) return;
    event.preventDefault();
    toggle(button);
  });
  on("play", () => {
    const button = playing ?? find(".result[aria-current] [data-play]") ?? all("[data-play]")[0];
    if (button) toggle(button);
  });
};
