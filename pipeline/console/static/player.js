// Plays the clip. The first key decodes it, and later starts and stops are exact to the sample. The server makes the
// other speeds at the same pitch. This file sets only volume, softening and position.
import { chain, cutoff, VOLUME } from "./clips.js";
import { all, find, on, post, say, text } from "./dom.js";
import { fresh as freshAxis, moment, offset, percent, start as startAxis } from "./lanes.js";
import { neighbour } from "./list.js";

const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];
const STEP = 2; // seconds

let context, level, low, volume;
let soft = null; // null until the first clip sets it to the person's setting
let muted = false;

const setUp = () => {
  if (context) return;
  context = new AudioContext();
  level = context.createGain();
  ({ low, volume } = chain(context, soft));
  level.connect(low);
};

/** Fetched clips that are not decoded yet: the next case's, so that its sound starts at once. */
const ahead = new Map();
const MOST_AHEAD = 2; // the person may go forth and back; more would only fill the memory

const fetched = async (url) => {
  const answer = await fetch(url);
  if (answer.status !== 200) throw new Error(String(answer.status));
  return { data: await answer.arrayBuffer(), gain: Number(answer.headers.get("x-gain-db")) };
};

/** Returns the clip at `url`, decoded. A clip that was fetched ahead is logged as played now. */
const clip = async (url, path) => {
  const early = url.endsWith("speed=1") && ahead.get(path);
  ahead.delete(path);
  if (early) post(path.replace(/clip$/, "played"), {});
  const { data, gain } = early || (await fetched(url));
  return { buffer: await context.decodeAudioData(data), gain };
};

/** Fetches the clip of the next case. The server logs it as fetched, not as played. */
const fetchAhead = async () => {
  const next = neighbour(1)?.dataset.case;
  const path = `/cases/${next}/clip`;
  if (!next || ahead.has(path) || document.querySelector("main.queue-page").dataset.decides !== "yes") return;
  const found = await fetched(`${path}?ahead=yes`).catch(() => null);
  if (!found) return;
  ahead.set(path, found);
  while (ahead.size > MOST_AHEAD) ahead.delete(ahead.keys().next().value);
};

class Player {
  constructor(root) {
    this.root = root;
    this.seconds = Number(root.dataset.seconds);
    this.from = Number(root.dataset.from);
    this.to = Number(root.dataset.to);
    this.pieces = JSON.parse(root.dataset.pieces);
    this.position = Math.max(0, this.from - 5); // some seconds before the flagged part, to understand it
    this.speed = "1";
    this.buffers = new Map();
    this.source = null;
    this.words = all("[data-at].w").map((word) => ({ word, at: Number(word.dataset.at) }));
    this.draw();
  }

  /** Returns the clip at the chosen speed. */
  async sound() {
    const path = this.root.dataset.clip;
    if (!this.buffers.has(this.speed)) this.buffers.set(this.speed, await clip(`${path}?speed=${this.speed}`, path));
    return this.buffers.get(this.speed);
  }

  /** Returns the moment of the room at a position in the clip, in seconds from the start of the case. */
  moment(position) {
    // A piece is [position in the clip, moment of the room, seconds]. A pause of the room is not in the clip.
    const piece = this.pieces.findLast(([offset]) => offset <= position + 0.001) ?? this.pieces[0];
    return piece[1] + Math.min(position - piece[0], piece[2]);
  }

  /** Returns the position in the clip of a moment of the room; the nearest one if the clip does not have it. */
  place(moment) {
    const piece = this.pieces.find(([, start, seconds]) => moment < start + seconds);
    return piece ? piece[0] + Math.max(0, moment - piece[1]) : this.seconds;
  }

  /** Returns the play position, in seconds of the clip. */
  now() {
    if (!this.source) return this.position;
    // Web Audio does not tell the position of a source, so it follows from the time since its start.
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
      const { buffer, gain } = await this.sound();
      const speed = Number(this.speed);
      const source = new AudioBufferSourceNode(context, { buffer });
      Object.assign(this, { source, position, until, looping, startedAt: context.currentTime });
      level.gain.value = 10 ** (gain / 20); // from decibels
      source.connect(level);
      // The clip at another speed is shorter or longer, so its positions are divided by the speed.
      if (looping) {
        Object.assign(source, { loop: true, loopStart: position / speed, loopEnd: until / speed });
        source.start(0, position / speed);
      } else source.start(0, position / speed, (until - position) / speed);
      source.onended = () => source === this.source && this.stop(until);
      this.root.dataset.state = "playing";
      this.follow();
    } catch {
      this.root.dataset.state = "failed";
      find("#unheard").textContent = text("no_audio");
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
    if (!this.source || !this.root.isConnected) { // another case has replaced the player
      if (this.source) this.stop();
      return;
    }
    this.draw();
    requestAnimationFrame(() => this.follow());
  }

  draw() {
    if (!this.root.isConnected) return;
    const at = this.now();
    const head = find("#head");
    const x = `${percent(this.moment(at))}%`;
    head?.setAttribute("x1", x);
    head?.setAttribute("x2", x);
    find("#position").textContent = offset(this.moment(at), 1);
    const spoken = this.words.findLast(({ at: start }) => start <= at + 0.01);
    for (const { word } of this.words) word.classList.toggle("now", word === spoken?.word && Boolean(this.source));
    find('[data-do="play"]').setAttribute("aria-pressed", String(Boolean(this.source)));
    if (this.source) document.dispatchEvent(new CustomEvent("voxwarden:playing"));
  }

  toggle() {
    if (this.source) this.stop();
    else this.play(this.position >= this.seconds - 0.05 ? 0 : this.position, this.seconds); // at the end: begin anew
  }

  replay() {
    const again = this.source && this.position === this.from && !this.looping; // the second press repeats it
    this.play(this.from, this.to, again);
  }

  seek(position) {
    const playing = Boolean(this.source);
    this.stop(Math.max(0, Math.min(position, this.seconds)));
    if (playing) this.play(this.position, this.seconds);
  }

  word(by) {
    const at = this.now();
    // The margins are for rounding. Else a step back would find the word at which the last step stopped.
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

/** Plays a whole clip of another case, through the same limiter. */
let other = null;
const hear = async (path) => {
  setUp();
  other?.stop();
  await context.resume();
  const { buffer, gain } = await clip(`${path}?speed=1`, path);
  level.gain.value = 10 ** (gain / 20);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(level);
  source.onended = () => source === other && (other = null);
  source.start();
  other = source;
  const tell = () => {
    if (other !== source) return;
    document.dispatchEvent(new CustomEvent("voxwarden:playing"));
    requestAnimationFrame(tell);
  };
  tell();
};

export const start = () => {
  let player = null;
  const fresh = () => {
    player?.stop();
    other?.stop();
    const root = find("#player");
    freshAxis();
    player = root ? new Player(root) : null;
    if (root) soft ??= root.dataset.soften === "on";
    for (const [name, pressed] of [["soften", soft], ["mute", muted]]) {
      find(`[data-do="${name}"]`)?.setAttribute("aria-pressed", String(Boolean(pressed)));
    }
  };
  const does = (name, action) => on(name, (button, event) => player && action(player, button, event));

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
    low.frequency.value = cutoff(context, soft);
    button.setAttribute("aria-pressed", String(soft));
  });
  does("mute", (_, button) => {
    setUp();
    muted = !muted;
    volume.gain.value = muted ? 0 : VOLUME;
    button.setAttribute("aria-pressed", String(muted));
  });
  does("seek", (one, _, event) => one.seek(one.place(moment(event.clientX))));
  on("block", (block, event) => {
    const [mine, at] = [block.dataset.case === find(".case").dataset.case, Number(block.dataset.at)];
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (mine && player) player.play(player.place(at), player.seconds);
    else if (find("#axis").dataset.listen !== "yes") return;
    else {
      player?.stop();
      hear(`/cases/${block.dataset.case}/clip`).catch(() => (find("#unheard").textContent = text("no_audio")));
    }
    event.preventDefault();
  });
  on("hear", (button) => {
    player?.stop();
    hear(button.dataset.clip).catch(() => say(text("no_audio")));
  });
  startAxis(() => player?.draw());
  document.body.addEventListener("click", (event) => {
    const word = event.target.closest?.(".w[data-at]");
    if (word && player) player.seek(Number(word.dataset.at));
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "pane") return;
    fresh();
    if (find("#rows")) fetchAhead();
  });
  fresh();
};
