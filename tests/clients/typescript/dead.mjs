// Prints the errors of all parts of the client for a host that does not answer.
import { Api, SpeakerStream, verdicts } from "./dist/index.js";

const { host } = JSON.parse(process.argv[2]);
const told = (error) => [error.name, error.code ?? error.status, error.message];
const speaker = new SpeakerStream({ url: `wss://${host}`, token: "t", room: "r", speaker: "s", closeSeconds: 0.5 });
await speaker.send(new Uint8Array(3200));
const found = await Promise.all([
  speaker.close().catch(told),
  verdicts({ url: `https://${host}`, token: "t" }).next().catch(told),
  new Api(`https://${host}`, "t").texts(["hello"]).catch(told),
]);
console.log(JSON.stringify(found));
