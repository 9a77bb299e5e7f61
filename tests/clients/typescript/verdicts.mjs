// Prints the first verdicts of a stream.
import { verdicts } from "./dist/index.js";

const { count, ...options } = JSON.parse(process.argv[2]);
const found = [];
try {
  for await (const { verdict, lastEventId } of verdicts(options)) {
    found.push([verdict.id, lastEventId]);
    if (found.length === count) break;
  }
} catch (error) {
  found.push(error.message);
}
console.log(JSON.stringify(found));
