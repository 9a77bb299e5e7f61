// Whether and when to connect again: docs/integrate.md, "Look up a close code".

const FINAL = new Set([1007, 1009, 4400, 4401, 4403, 4409]);
const AT_ONCE = new Set([1000, 1001, 1011, 1012, 4408, 4429]);
const LONGEST_PAUSE = 10;
const JITTER = 0.25;
/** The code of a connection that nobody closed, or that was never made. */
export const LOST = 1006;

/** A stream has failed for good: it is refused, or nobody has ever answered (code 1006). */
export class StreamError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
    this.name = "StreamError";
  }
}

/** Why a connection was not made, and what to do. Node wraps the errors of the system in its own. */
export function unreachable(server: string, error: unknown): string {
  const cause = rootOf(error);
  const remedy = certificateRefused(cause)
    ? "Use the name that is in the certificate, and trust its authority, e.g. with NODE_EXTRA_CA_CERTS."
    : "Check the address, and whether the server runs.";
  return `${server} cannot be reached: ${cause.message}. ${remedy}`;
}

function rootOf(error: unknown): Error {
  let root = error as Error & { errors?: Error[] };
  while (root.cause instanceof Error || root.errors?.length) root = (root.cause ?? root.errors![0]) as Error;
  return root;
}

function certificateRefused(cause: Error & { code?: string }): boolean {
  return /CERT|VERIFY/.test(cause.code ?? ""); // e.g. DEPTH_ZERO_SELF_SIGNED_CERT
}

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

/** `patience`: seconds of the pauses before a server that has never answered counts as dead. */
export class Reconnecting {
  private failures = 0;
  private broken = false;
  private answered = false;
  private waited = 0;
  private fault: unknown = new Error("no answer in time");

  constructor(
    private readonly server: string,
    private readonly patience: number,
  ) {}

  connected(): void {
    this.answered = true;
  }

  progressed(): void {
    this.failures = 0;
  }

  /** Seconds to wait after a connection was closed with `code`, or failed with `error`. Throws StreamError. */
  pauseAfter(code: number, reason: string, error?: unknown): number {
    if (FINAL.has(code) || (code === 4415 && this.broken))
      throw new StreamError(code, `The gateway closed the stream with code ${code}: ${reason || "no reason"}`);
    this.broken ||= code === 4415;
    const doublings = AT_ONCE.has(code) ? this.failures - 1 : this.failures;
    this.failures++;
    const doubled = doublings < 0 ? 0 : Math.min(2 ** Math.min(doublings, 9), LONGEST_PAUSE);
    const pause = doubled * (1 + JITTER * Math.random());
    this.fault = error ?? this.fault;
    this.waited += pause;
    if (this.waited > this.patience || certificateRefused(rootOf(this.fault))) this.checkAnswered();
    return pause;
  }

  /** Throws StreamError if the server has never accepted a connection. */
  checkAnswered(): void {
    if (!this.answered) throw new StreamError(LOST, unreachable(this.server, this.fault));
  }
}
