// Plays the clip. The first key decodes it, and later starts and stops are exact to the sample. The server makes the
// other speeds at the same pitch. This file sets only volume, softening and position.
import { all, find, on, text } from "./dom.js";

const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];
const STEP = 2; // seconds
const SOFT = 3000; // a softened voice contains nothing above this frequency in hertz
const FIRST_VOLUME = 0.6;

let context, level, low, volume;
let soft = null; // null until the first clip sets it to the person's setting
let muted = false;

const setUp = () => {
  if (context) return;
  context = new AudioContext();
  level = context.createGain();
  low = new BiquadFilterNode(context, { type: "lowpass", frequency: soft ? SOFT : context.sampleRate / 2 });
  // The limiter protects the ears from shouts: it lowers loud sound within milliseconds.
  const limit = new DynamicsCompressorNode(context, { threshold: -12, knee: 0, ratio: 20, attack: 0.001, release: 0.1 });
  volume = new GainNode(context, { gain: FIRST_VOLUME });
  level.connect(low).connect(limit).connect(volume).connect(context.destination);
};

class Player {
  constructor(root) {
    this.root = root;
    this.seconds = Number(root.dataset.seconds);
    this.from = Number(root.dataset.from);
    this.to = Number(root.dataset.to);
    this.position = Math.max(0, this.from - 5);
    this.speed = "1";
    this.buffers = new Map();
    this.source = null;
    this.words = all("[data-at]").map((word) => ({ word, at: Number(word.dataset.at) }));
    this.draw();
  }

  async buffer() {
    if (!this.buffers.has(this.speed)) {
      const answer = await fetch(`${this.root.dataset.clip}?speed=${this.speed}`);
      if (!answer.ok) throw new Error(String(answer.status));
      this.buffers.set(this.speed, await context.decodeAudioData(await answer.arrayBuffer()));
    }
    return this.buffers.get(this.speed);
  }

  /** Returns the play position, in seconds of the clip. */
  now() {
    if (!this.source) return this.position;
    const past = (context.currentTime - this.startedAt) * Number(this.speed);
    const length = this.until - this.position;
    return this.position + (this.looping ? past % length : Math.min(past, length));
  }

  async play(position, until, looping = false) {
    setUp();
    this.stop();
    this.root.dataset.state = "loading";
    try {
      await context.resume();
      const buffer = await this.buffer();
      const speed = Number(this.speed);
      const source = new AudioBufferSourceNode(context, { buffer });
      Object.assign(this, { source, position, until, looping, startedAt: context.currentTime });
      level.gain.value = 10 ** (Number(this.root.dataset.gain) / 20);
      source.connect(level);
      if (looping) {
        Object.assign(source, { loop: true, loopStart: position / speed, loopEnd: until / speed });
        source.start(0, position / speed);
      } else source.start(0, position / speed, (until - position) / speed);
      source.onended = () => source === this.source && this.stop(until);
      this.root.dataset.state = "playing";
      this.follow();
    } catch {
      this.root.dataset.state = "failed";
      find("#position").textContent = text("no_audio");
    }
  }

  stop(at = this.now()) {
    const source = this.source;
    this.source = null;
    this.position = Math.min(at, this.seconds);
    if (source) source.stop();
    this.root.dataset.state = "paused";
    this.draw();
  }

  follow() {
    if (!this.source || !this.root.isConnected) {
      if (this.source) this.stop();
      return;
    }
    this.draw();
    requestAnimationFrame(() => this.follow());
  }

  draw() {
    const at = this.now();
    const head = find("#head");
    const x = String((at / this.seconds) * 600);
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
    find("#position").textContent = `${at.toFixed(1)} / ${this.seconds.toFixed(1)}`;
    const spoken = this.words.findLast(({ at: start }) => start <= at + 0.01);
    for (const { word } of this.words) word.classList.toggle("spoken", word === spoken?.word && Boolean(this.source));
    find('[data-do="play"]').setAttribute("aria-pressed", String(Boolean(this.source)));
    if (this.source) document.dispatchEvent(new CustomEvent("voxwarden:playing"));
  }

  toggle() {
    if (this.source) this.stop();
    else this.play(this.position >= this.seconds - 0.05 ? 0 : this.position, this.seconds);
  }

  replay() {
    const again = this.source && this.position === this.from && !this.looping;
    this.play(this.from, this.to, again);
  }

  seek(position) {
    const playing = Boolean(this.source);
    this.stop(Math.max(0, Math.min(position, this.seconds)));
    if (playing) this.play(this.position, this.seconds);
  }

  word(by) {
    const at = this.now();
    const next = by > 0 ? this.words.find((one) => one.at > at + 0.02) : this.words.findLast((one) => one.at < at - 0.05);
    if (next) this.seek(next.at);
  }

  turn(by) {
    const next = SPEEDS[SPEEDS.indexOf(this.speed) + by];
    if (!next) return;
    const playing = Boolean(this.source);
    this.stop();
    this.speed = next;
    find("#speed").textContent = `${next}×`;
    if (playing) this.play(this.position, this.seconds);
  }
}

export const start = () => {
  let player = null;
  const fresh = () => {
    player?.stop();
    const root = find("#player");
    player = root ? new Player(root) : null;
    if (root) soft ??= root.dataset.soften === "on";
    for (const [name, pressed] of [["soften", soft], ["mute", muted]]) {
      find(`[data-do="${name}"]`)?.setAttribute("aria-pressed", String(Boolean(pressed)));
    }
  };
  const does = (name, action) => on(name, (button) => player && action(player, button));

  does("play", (one) => one.toggle());
  does("replay", (one) => one.replay());
  does("back", (one) => one.seek(one.now() - STEP));
  does("forward", (one) => one.seek(one.now() + STEP));
  does("word_back", (one) => one.word(-1));
  does("word_forward", (one) => one.word(1));
  does("slower", (one) => one.turn(-1));
  does("faster", (one) => one.turn(1));
  does("soften", (_, button) => {
    setUp();
    soft = !soft;
    low.frequency.value = soft ? SOFT : context.sampleRate / 2;
    button.setAttribute("aria-pressed", String(soft));
  });
  does("mute", (_, button) => {
    setUp();
    muted = !muted;
    volume.gain.value = muted ? 0 : FIRST_VOLUME;
    button.setAttribute("aria-pressed", String(muted));
  });
  document.body.addEventListener("click", (event) => {
    const word = event.target.closest?.(".word[data-at]");
    if (word && player) player.seek(Number(word.dataset.at));
  });
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "pane" && fresh());
  fresh();
};
