// Prints the answers of the API.
import { Api } from "./dist/index.js";

const { url, moderate, cases, file } = JSON.parse(process.argv[2]);
const texts = await new Api(url, moderate).texts(["well played", "shut up, you worthless idiot"]);
const shares = [];
const recording = await new Api(url, moderate).file(file, { progress: (share) => shares.push(share) });
const found = [];
for await (const each of new Api(url, cases).cases({ limit: 2 })) found.push(each.id);
const refused = await new Api(url, cases).texts(["hello"]).catch((error) => [error.status, error.message]);
console.log(JSON.stringify({ texts, recording, shares, found, refused }));
