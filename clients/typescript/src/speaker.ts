// The audio of one speaker, sent over as many WebSocket connections as it takes.

import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import { opusSamples } from "./opus.js";
import { after, end, FrameQueue, type Frame } from "./queue.js";
import { Reconnecting, sleep } from "./reconnecting.js";

const QUEUE_SECONDS = 60;
const PIECE_SECONDS = 0.2; // PCM is cut into pieces of this length
const GAP_SECONDS = 1; // audio that is later than this begins after a pause
const AHEAD_SECONDS = 5; // send() waits while a recording is further ahead of the clock
const SLACK_SECONDS = 0.5; // audio that is sent no later than this after its end is in time
const SPEED = 2; // late audio is sent at this speed at most
const LISTENERS_SECONDS = 1;
const MAX_NOTE_BYTES = 4096;
const WIDTHS = { pcm_s16le: 2, pcm_f32le: 4 };

export interface SpeakerOptions {
  url: string;
  token: string;
  room: string;
  speaker: string;
  codec?: "pcm_s16le" | "pcm_f32le" | "opus";
  /** Opus always has 48000. Default for PCM: 16000. */
  sampleRate?: number;
  channels?: number;
  roomType?: string;
  listeners?: number;
  identityVerified?: boolean;
  drill?: string;
  /** How long close() waits for the last acknowledgement. Default: 10. */
  closeSeconds?: number;
}

interface Closing {
  code: number;
  reason: string;
  error: Error | undefined;
}

export class SpeakerStream {
  skippedFrames = 0;
  private readonly codec;
  private readonly rate: number;
  private readonly channels: number;
  private readonly address: string;
  private readonly queue = new FrameQueue(QUEUE_SECONDS);
  private readonly reconnecting: Reconnecting;
  private readonly ending = new AbortController();
  private readonly running: Promise<void>;
  private next = 0;
  private attempts = 0;
  private position: number | undefined;
  private offset = 0; // seconds by which the gateway's time of our audio is ahead of ours
  private current: number | undefined; // number of listeners
  private told: number | undefined;
  private sent = 0; // number of the first sample that the present connection has not sent
  private ended = 0; // number of the sample before which the speech ended last
  private toldEnd = 0;
  private refusal: Error | undefined;

  constructor(private readonly options: SpeakerOptions) {
    this.codec = options.codec ?? "pcm_s16le";
    this.rate = this.codec === "opus" ? 48000 : (options.sampleRate ?? 16000);
    this.channels = options.channels ?? 1;
    this.current = options.listeners;
    this.reconnecting = new Reconnecting(`The gateway at ${options.url}`, QUEUE_SECONDS);
    this.address = address(options, this.codec, this.rate, this.channels);
    this.running = this.run().catch((error: Error) => {
      this.refusal = error;
      this.queue.wake();
    });
  }

  /** Number of acknowledged samples of one channel. */
  get receivedSamples(): number {
    return this.queue.acknowledged;
  }

  /** Seconds of audio that were dropped, because 60 s waited for an acknowledgement. */
  get droppedSeconds(): number {
    return this.queue.dropped;
  }

  get unacknowledgedSeconds(): number {
    return this.queue.seconds;
  }

  /**
   * Queue some PCM of any length, or one Opus packet. Live audio never waits; a recording waits while it is 5 s ahead
   * of the clock. `start`: UTC seconds of the first sample; without it, the frame has just ended. Throws StreamError.
   */
  async send(frame: Uint8Array, start?: number): Promise<void> {
    for (const piece of this.cut(frame, start)) {
      if (this.refusal) throw this.refusal;
      this.queue.put(piece);
      await sleep(Math.max(0, (this.position ?? 0) - now() - AHEAD_SECONDS), this.ending.signal);
    }
  }

  /** State that the speech ends here, for example when a push-to-talk key is released. Its words are judged at once. */
  endSpeech(): void {
    this.ended = this.next;
    this.queue.wake();
  }

  /** State how many people can hear the room from now on. */
  listeners(count: number): void {
    this.current = count;
    this.queue.wake();
  }

  /** Wait for the last acknowledgement, and end the speech. Throws StreamError if the gateway refused the stream. */
  async close(): Promise<void> {
    const drained = this.queue.until(() => !this.queue.size || this.refusal !== undefined);
    const waited = new AbortController();
    await Promise.race([drained, sleep(this.options.closeSeconds ?? 10, waited.signal)]);
    waited.abort();
    this.ending.abort();
    this.queue.wake();
    await this.running;
    if (this.refusal) throw this.refusal;
    if (this.queue.size) this.reconnecting.checkAnswered();
  }

  private cut(data: Uint8Array, start?: number): Frame[] {
    if (this.codec === "opus") {
      const samples = opusSamples(data);
      if (!samples) this.skippedFrames++;
      return samples ? [this.numbered(data, samples, start)] : [];
    }
    const width = WIDTHS[this.codec] * this.channels;
    if (data.length % width) throw new RangeError(`A frame of ${data.length} bytes does not hold whole samples`);
    if (!data.length) this.skippedFrames++;
    else this.keepTime(data.length / width / this.rate, start);
    const size = Math.round(PIECE_SECONDS * this.rate) * width;
    const pieces: Frame[] = [];
    for (let at = 0; at < data.length; at += size) {
      const piece = data.slice(at, at + size);
      pieces.push(this.numbered(piece, piece.length / width));
    }
    return pieces;
  }

  private numbered(data: Uint8Array, samples: number, start?: number): Frame {
    const seconds = samples / this.rate;
    if (this.codec === "opus") this.keepTime(seconds, start);
    const frame = { data, first: this.next, samples, start: this.position!, seconds };
    this.next += samples;
    this.position = end(frame);
    return frame;
  }

  private keepTime(seconds: number, start?: number): void {
    const begin = start === undefined ? now() - seconds : Math.min(start, Math.max(now(), this.position ?? 0));
    const late = this.position === undefined ? Infinity : begin - this.position;
    if (late > GAP_SECONDS || (start !== undefined && late < -GAP_SECONDS)) this.position = begin;
  }

  private get over(): boolean {
    return this.ending.signal.aborted;
  }

  private async run(): Promise<void> {
    while (!this.over) {
      await this.queue.until(() => this.queue.size > 0 || this.over);
      if (this.over) return;
      const closed = await this.connection();
      if (closed === undefined) continue;
      await sleep(this.reconnecting.pauseAfter(closed.code, closed.reason, closed.error), this.ending.signal);
    }
  }

  /** Send over one connection. Returns how the gateway closed it; undefined if the next frame needs a new one. */
  private async connection(): Promise<Closing | undefined> {
    const oldest = this.queue.oldest!;
    this.queue.rewind();
    this.told = this.current;
    this.sent = oldest.first;
    const query = new URLSearchParams({
      first_sample: `${oldest.first}`,
      start: `${Math.max(0, oldest.start + this.offset)}`,
      attempt: `${++this.attempts}`,
    });
    if (this.told !== undefined) query.set("listeners", `${this.told}`);
    const socket = new WebSocket(`${this.address}&${query}`, {
      headers: { Authorization: `Bearer ${this.options.token}` },
      perMessageDeflate: false,
      maxPayload: MAX_NOTE_BYTES,
      handshakeTimeout: 10_000,
    });
    let closed: Closing | undefined;
    let error: Error | undefined;
    const gone = new Promise<void>((resolve) =>
      socket.on("close", (code, reason) => {
        closed = { code, reason: reason.toString(), error };
        this.queue.wake();
        resolve();
      }),
    );
    socket.on("error", (found) => (error = found)); // "close" follows
    socket.on("open", () => this.reconnecting.connected());
    socket.on("message", (data) => this.hear(data.toString()));
    await new Promise<void>((resolve) => {
      socket.once("open", resolve);
      void gone.then(resolve);
    });
    const stopped = (): boolean => closed !== undefined || this.over;
    const telling = Promise.all([this.tell(socket, stopped), this.tellEnd(socket, stopped)]);
    await this.speak(socket, oldest, stopped);
    const lost = closed;
    socket.close(1000);
    const giveUp = setTimeout(() => socket.terminate(), 1000 * (this.options.closeSeconds ?? 10));
    await gone;
    clearTimeout(giveUp);
    await telling;
    return lost;
  }

  private async speak(socket: WebSocket, oldest: Frame, stopped: () => boolean): Promise<void> {
    let [number, before, due, inTime] = [oldest.first, oldest, now(), true];
    while (!stopped()) {
      const frame = this.queue.take();
      if (!frame) {
        await this.queue.until(() => stopped() || this.queue.untaken > 0);
        continue;
      }
      const jump = frame.start - end(before);
      const hidden = jump < -GAP_SECONDS / 2 || (jump > GAP_SECONDS / 2 && !inTime);
      if (frame.first !== number || hidden) {
        await this.queue.until(() => stopped() || !this.queue.size || this.queue.oldest!.first >= frame.first);
        return;
      }
      await sleep(Math.max(0, due - now()));
      await new Promise<void>((resolve) => socket.send(frame.data, { binary: true }, () => resolve()));
      this.sent = after(frame);
      this.queue.wake();
      due = Math.max(due, now() - SLACK_SECONDS) + frame.seconds / SPEED;
      [number, before, inTime] = [after(frame), frame, now() - end(frame) <= SLACK_SECONDS];
    }
  }

  private hear(text: string): void {
    const note = parsed(text);
    const frame = note && this.queue.acknowledge(note.received_samples);
    if (!note || !frame) return;
    this.reconnecting.progressed();
    this.offset = note.start - end(frame) - (note.received_samples - after(frame)) / this.rate;
  }

  private async tell(socket: WebSocket, stopped: () => boolean): Promise<void> {
    while (!stopped() && socket.readyState <= WebSocket.OPEN) {
      await this.queue.until(() => stopped() || socket.readyState > WebSocket.OPEN || this.current !== this.told);
      if (socket.readyState !== WebSocket.OPEN) return;
      if (this.current === this.told) continue;
      this.told = this.current;
      socket.send(JSON.stringify({ listeners: this.told }));
      await sleep(LISTENERS_SECONDS, this.ending.signal);
    }
  }

  private async tellEnd(socket: WebSocket, stopped: () => boolean): Promise<void> {
    const due = (): boolean => this.toldEnd < this.ended && this.ended <= this.sent;
    while (!stopped() && socket.readyState <= WebSocket.OPEN) {
      await this.queue.until(() => stopped() || socket.readyState > WebSocket.OPEN || due());
      if (socket.readyState !== WebSocket.OPEN || !due()) return;
      this.toldEnd = this.ended;
      socket.send('{"end": true}');
    }
  }
}

function now(): number {
  return Date.now() / 1000;
}

function parsed(text: string): { received_samples: number; start: number } | undefined {
  try {
    const note = JSON.parse(text);
    const { received_samples, start } = note ?? {};
    return Number.isSafeInteger(received_samples) && Number.isFinite(start) && start >= 0 ? note : undefined;
  } catch {
    return undefined;
  }
}

function address(options: SpeakerOptions, codec: string, rate: number, channels: number): string {
  const url = new URL(options.url);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new TypeError("The gateway's address begins with ws://");
  const query = new URLSearchParams({ codec, sample_rate: `${rate}`, channels: `${channels}`, session: randomUUID() });
  if (options.roomType !== undefined) query.set("room_type", options.roomType);
  if (options.identityVerified !== undefined) query.set("identity_verified", `${options.identityVerified}`);
  if (options.drill !== undefined) query.set("drill", options.drill);
  const place = `/v1/rooms/${encodeURIComponent(options.room)}/speakers/${encodeURIComponent(options.speaker)}/audio`;
  return `${options.url.replace(/\/+$/, "")}${place}?${query}`;
}
