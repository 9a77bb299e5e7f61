// Prints the server-sent events in the pieces of standard input, a JSON list of texts.
import { readFileSync } from "node:fs";
import { parser } from "./dist/verdicts.js";

const streams = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(streams.map((pieces) => pieces.flatMap(parser()))));
