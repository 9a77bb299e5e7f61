// The client of Voxwarden for Node. docs/api.md is the manual.
export { Api, ApiError } from "./api.js";
export type { Case, CasePage, Moderations, Recording, Result, UnheardResult, UtteranceResult } from "./api.js";
export { StreamError } from "./reconnecting.js";
export { SpeakerStream } from "./speaker.js";
export type { SpeakerOptions } from "./speaker.js";
export { RefusedError, verdicts } from "./verdicts.js";
export type { Verdict, VerdictOptions } from "./verdicts.js";
