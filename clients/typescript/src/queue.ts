// The frames of one speaker that the gateway has not acknowledged. The oldest are dropped when there are too many.

export interface Frame {
  data: Uint8Array;
  /** Number of its first sample in the session. */
  first: number;
  samples: number;
  /** UTC seconds at which it was spoken. */
  start: number;
  seconds: number;
}

export const after = (frame: Frame): number => frame.first + frame.samples;
export const end = (frame: Frame): number => frame.start + frame.seconds;

export class FrameQueue {
  seconds = 0;
  dropped = 0;
  acknowledged = 0;
  private frames: Frame[] = [];
  private taken = 0;
  private waiters: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  get size(): number {
    return this.frames.length;
  }

  /** Number of frames that the present connection has not taken. */
  get untaken(): number {
    return this.frames.length - this.taken;
  }

  get oldest(): Frame | undefined {
    return this.frames[0];
  }

  put(frame: Frame): void {
    this.frames.push(frame);
    this.seconds += frame.seconds;
    while (this.seconds > this.limit && this.frames.length > 1) this.dropped += this.remove().seconds;
    this.wake();
  }

  /** Forget the frames before a sample number. Returns the last of them. A number that was never sent has no effect. */
  acknowledge(samples: number): Frame | undefined {
    let last: Frame | undefined;
    const sent = this.taken ? after(this.frames[this.taken - 1]!) : 0;
    if (samples <= sent) {
      while (this.frames.length && after(this.frames[0]!) <= samples) last = this.remove();
      if (last) this.acknowledged = after(last);
    }
    this.wake();
    return last;
  }

  rewind(): void {
    this.taken = 0;
  }

  /** The next frame for the present connection, or undefined. It stays here until it is acknowledged. */
  take(): Frame | undefined {
    return this.taken < this.frames.length ? this.frames[this.taken++] : undefined;
  }

  /** Wait until a condition holds. It is checked after each change and each wake(). */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }

  private remove(): Frame {
    const frame = this.frames.shift()!;
    this.seconds = this.frames.length ? this.seconds - frame.seconds : 0;
    this.taken = Math.max(0, this.taken - 1);
    return frame;
  }
}
