// Verdicts as they happen, from GET /v1/verdicts (server-sent events).

import { messageOf } from "./api.js";
import { LOST, Reconnecting, sleep } from "./reconnecting.js";

const SILENT_SECONDS = 45; // the server sends a comment every 15 s
const FIRST_ANSWER_SECONDS = 10; // an API that never answers for so long is not at this address
const REMEMBERED = 10_000; // after a reconnect, the server sends the verdicts of the last seconds again
const MAX_CHARACTERS = 1_048_576;

export interface VerdictOptions {
  /** Address of the API, e.g. http://127.0.0.1:8090. */
  url: string;
  token: string;
  /** Only this room. */
  room?: string;
  /** Continue after the verdict with this id. */
  lastEventId?: string;
  signal?: AbortSignal;
}

/** A flag, and the id of its case: docs/contract.md#flag has the fields. */
export interface Verdict {
  id: string;
  case: string;
  room: string;
  speaker: string;
  start: number;
  end: number;
  text: string;
  suggestion: "pass" | "review" | "block";
  flagged?: string[];
  /** Flagged labels that the policy calls fit for an automatic action. */
  act?: string[];
  [field: string]: unknown;
}

interface ServerEvent {
  id: string;
  kind: string;
  data: string;
}

/**
 * Yield each verdict once, with the id to continue from. It connects again as often as needed. Throws RefusedError, and
 * StreamError if the API has never answered.
 */
export async function* verdicts(options: VerdictOptions): AsyncGenerator<{ verdict: Verdict; lastEventId: string }> {
  const seen = new Set<string>();
  const reconnecting = new Reconnecting(`The API at ${new URL(options.url).origin}`, FIRST_ANSWER_SECONDS);
  let last = options.lastEventId ?? "";
  while (!options.signal?.aborted) {
    let fault: unknown;
    try {
      for await (const event of events(options, last, () => reconnecting.connected())) {
        last = event.id || last;
        const verdict = verdictOf(event);
        // More words can make a flag worse. Then it comes again, with another suggestion, or fit for an action.
        const key = `${verdict?.id} ${verdict?.suggestion} ${!!verdict?.act?.length}`;
        if (!verdict || seen.has(key)) continue;
        reconnecting.progressed();
        seen.add(key);
        if (seen.size > REMEMBERED) seen.delete(seen.values().next().value!);
        yield { verdict, lastEventId: last };
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      if (error instanceof RefusedError) throw error;
      fault = error;
    }
    await sleep(reconnecting.pauseAfter(LOST, "", fault), options.signal);
  }
}

/** The API refuses the stream for good. */
export class RefusedError extends Error {}

async function* events(options: VerdictOptions, last: string, connected: () => void): AsyncGenerator<ServerEvent> {
  const address = new URL(`${options.url.replace(/\/+$/, "")}/v1/verdicts`);
  if (options.room !== undefined) address.searchParams.set("room", options.room);
  const headers: Record<string, string> = { authorization: `Bearer ${options.token}`, accept: "text/event-stream" };
  if (last) headers["last-event-id"] = last;
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), 1000 * SILENT_SECONDS);
  const signals = options.signal ? [options.signal, silence.signal] : [silence.signal];
  try {
    const answer = await fetch(address, { headers, signal: AbortSignal.any(signals) });
    if (answer.status !== 200) await refuse(answer);
    connected();
    const parse = parser();
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      timer.refresh();
      yield* parse(piece);
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

async function refuse(answer: Response): Promise<never> {
  if (answer.status === 429 || answer.status >= 500) throw new Error(`the API answers ${answer.status}`);
  throw new RefusedError(`The API refuses the stream with status ${answer.status}: ${await messageOf(answer)}`);
}

/** Return a function that takes the text of a stream in pieces, and gives the events that a piece completes. */
export function parser(): (piece: string) => ServerEvent[] {
  let [rest, id, kind, data] = ["", "", "", [] as string[]];
  return (piece) => {
    const found: ServerEvent[] = [];
    const text = rest + piece;
    const held = text.endsWith("\r") ? 1 : 0; // the line feed may come with the next piece
    const lines = text.slice(0, text.length - held).split(/\r\n|\r|\n/);
    rest = lines.pop()! + text.slice(text.length - held);
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
      if (line === "") {
        if (data.length) found.push({ id, kind: kind || "message", data: data.join("\n") });
        [kind, data] = ["", []];
      } else if (name === "data") data.push(value!);
      else if (name === "event") kind = value!;
      else if (name === "id" && !value!.includes("\0")) id = value!;
    }
    if (rest.length + data.reduce((sum, each) => sum + each.length, 0) > MAX_CHARACTERS) throw new Error("too large");
    return found;
  };
}

function verdictOf(event: ServerEvent): Verdict | undefined {
  if (event.kind !== "flag.raised") return undefined;
  try {
    const data = JSON.parse(event.data).data;
    return typeof data?.id === "string" ? data : undefined;
  } catch {
    return undefined;
  }
}
