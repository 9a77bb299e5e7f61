// The HTTP API: docs/api.md is the manual.

import { openAsBlob } from "node:fs";
import { sleep, unreachable } from "./reconnecting.js";

const LOOK_SECONDS = 1;

/** The result for one text: OpenAI's fields, and ours. */
export interface Result {
  flagged: boolean;
  categories: Record<string, boolean>;
  category_scores: Record<string, number>;
  suggestion: "pass" | "review" | "block" | null;
  risk: number;
  labels: Record<string, number>;
  flagged_labels: string[];
  /** Flagged labels that the policy calls fit for an automatic action. */
  act: string[];
  reasons: string[];
  hits: { term: string; label: string; level: string; start: number; end: number }[];
  language: string;
  policy: string;
}

export interface Moderations {
  id: string;
  model: string;
  results: Result[];
}

/** Times are seconds from the start of the recording. */
export interface UtteranceResult extends Result {
  start: number;
  end: number;
  text: string;
  confidence: number;
}

/** An utterance that was not judged. */
export interface UnheardResult {
  start: number;
  end: number;
  state: "skipped" | "failed";
  /** `language`, `no_words`, or the stage that failed. */
  reason: string;
  language: string;
}

export interface Recording {
  id: string;
  status: "queued" | "running" | "done" | "failed";
  /** From 0 to 1. */
  progress: number;
  suggestion: "pass" | "review" | "block" | null;
  seconds: number | null;
  speech_seconds: number | null;
  error: string | null;
  /** UTC seconds; `created_at_iso` is the same in ISO 8601. */
  created_at: number;
  created_at_iso: string;
  ended_at: number | null;
  ended_at_iso: string | null;
  utterances: UtteranceResult[];
  unheard: UnheardResult[];
}

/** Times are UTC seconds; `created_at_iso` is the time `created_at` in ISO 8601, and so on. */
export interface Case {
  id: string;
  room: string;
  speaker: string;
  start: number;
  end: number;
  label: string;
  suggestion: "pass" | "review" | "block";
  text: string;
  status: "pending" | "escalated" | "decided";
  verdict: "uphold" | "dismiss" | "escalate" | null;
  created_at: number;
  created_at_iso: string;
  [field: string]: unknown;
}

export interface CasePage {
  data: Case[];
  next: string | null;
}

/** The API refuses a request. Status 0: it cannot be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export class Api {
  /** `url` is the address of the API, e.g. http://127.0.0.1:8090. */
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Judge texts: one result for each, in order. */
  async texts(texts: string[], options: { roomType?: string; language?: string } = {}): Promise<Result[]> {
    const body = { input: texts, room_type: options.roomType, language: options.language };
    const answer = await this.call<Moderations>("POST", "/v1/moderations", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.results;
  }

  /** Moderate a recording, and wait for its result. `progress` is called with numbers from 0 to 1. */
  async file(
    path: string,
    options: { roomType?: string; progress?: (share: number) => void; signal?: AbortSignal } = {},
  ): Promise<Recording> {
    const body = new FormData();
    body.set("file", await openAsBlob(path), "recording");
    if (options.roomType !== undefined) body.set("room_type", options.roomType);
    let found = await this.call<Recording>("POST", "/v1/audio/moderations", { body });
    while (found.status === "queued" || found.status === "running") {
      options.progress?.(found.progress);
      await sleep(LOOK_SECONDS, options.signal);
      options.signal?.throwIfAborted();
      found = await this.call<Recording>("GET", `/v1/audio/moderations/${found.id}`);
    }
    if (found.status === "failed") throw new ApiError(400, found.error ?? "The recording cannot be read");
    return found;
  }

  /** Yield cases, newest first. `filters` are those of GET /v1/cases, e.g. { status: "pending" }. */
  async *cases(filters: Record<string, string | number> = {}): AsyncGenerator<Case> {
    let after: string | null = null;
    do {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(filters)) query.set(name, `${value}`);
      if (after) query.set("after", after);
      const page: CasePage = await this.call<CasePage>("GET", `/v1/cases?${query}`);
      yield* page.data;
      after = page.next;
    } while (after);
  }

  private async call<T>(method: string, path: string, init: RequestInit = {}): Promise<T> {
    const headers = { ...init.headers, authorization: `Bearer ${this.token}` };
    const address = `${this.url.replace(/\/+$/, "")}${path}`;
    const answer = await fetch(address, { ...init, method, headers }).catch((error) => {
      throw new ApiError(0, unreachable(`The API at ${this.url}`, error));
    });
    if (!answer.ok) throw new ApiError(answer.status, await messageOf(answer));
    return (await answer.json()) as T;
  }
}

/** Return the message of an error of the API, or the beginning of another server's answer. */
export async function messageOf(answer: Response): Promise<string> {
  const text = await answer.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text.slice(0, 200);
  }
}
