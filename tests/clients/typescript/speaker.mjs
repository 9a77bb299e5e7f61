// Sends the audio of standard input in frames, and prints what became of it.
import { readFileSync } from "node:fs";
import { SpeakerStream } from "./dist/index.js";

const { frameBytes, listeners, endSpeech, ...options } = JSON.parse(process.argv[2]);
const stream = new SpeakerStream(options);
const audio = readFileSync(0);
const shown = {};
try {
  for (let at = 0; at < audio.length; at += frameBytes) {
    await stream.send(audio.subarray(at, at + frameBytes));
    if (endSpeech) stream.endSpeech();
  }
  if (listeners !== undefined) stream.listeners(listeners);
  await stream.close();
} catch (error) {
  shown.error = error.message;
  shown.code = error.code;
}
const { receivedSamples, droppedSeconds, unacknowledgedSeconds, skippedFrames } = stream;
console.log(JSON.stringify({ ...shown, receivedSamples, droppedSeconds, unacknowledgedSeconds, skippedFrames }));
