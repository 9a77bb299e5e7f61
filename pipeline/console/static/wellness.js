// Reports the listening time to the server, which counts and limits it.
import { post } from "./dom.js";

const EVERY = 30_000; // milliseconds of sound between two reports
const GAP = 500; // a longer pause between two frames, in milliseconds, is not listening

export const start = () => {
  let heard = 0;
  let last = 0;

  const tell = () => {
    if (heard < 500) return; // not worth a request
    const seconds = (Math.min(heard, 120_000) / 1000).toFixed(2); // the server refuses more than two minutes
    heard = 0;
    post("/wellness/listened", { seconds });
  };

  document.addEventListener("voxwarden:playing", () => {
    const now = performance.now();
    if (now - last < GAP) heard += now - last;
    last = now;
    if (heard >= EVERY) tell();
  });
  // Report soon after the sound stops, and report the rest when the page closes.
  setInterval(() => performance.now() - last > 2 * GAP && tell(), 5_000);
  addEventListener("pagehide", tell);
};
