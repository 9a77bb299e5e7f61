// Whether and when to connect again: docs/integrate.md, "Look up a close code".

export const FINAL = new Set([1007, 1009, 4400, 4401, 4403, 4409]);
const AT_ONCE = new Set([1000, 1001, 1011, 1012, 4408, 4429]);
const LONGEST_PAUSE = 10;
const JITTER = 0.25;

/** Wait, but not longer than until `signal` is aborted. */
export async function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  if (seconds <= 0 || signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    signal?.addEventListener("abort", done);
  });
}

export class Reconnecting {
  private failures = 0;
  private broken = false;

  progressed(): void {
    this.failures = 0;
  }

  /** Seconds to wait after a close code; undefined: do not connect again. */
  pauseAfter(code: number): number | undefined {
    if (FINAL.has(code) || (code === 4415 && this.broken)) return undefined;
    this.broken ||= code === 4415;
    const doublings = AT_ONCE.has(code) ? this.failures - 1 : this.failures;
    this.failures++;
    if (doublings < 0) return 0;
    return Math.min(2 ** Math.min(doublings, 9), LONGEST_PAUSE) * (1 + JITTER * Math.random());
  }
}
