// Prints the samples of each Opus packet of standard input, one packet as hexadecimal digits in a line.
import { readFileSync } from "node:fs";
import { opusSamples } from "./dist/opus.js";

const lines = readFileSync(0, "utf8").split("\n").slice(0, -1);
console.log(JSON.stringify(lines.map((line) => opusSamples(Buffer.from(line, "hex")))));
