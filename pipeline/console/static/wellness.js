// How long the person has listened, told to the server so that it can count and cap.
const EVERY = 30_000; // milliseconds of sound between two tellings
const GAP = 500; // a longer pause between two frames is no listening

export const start = () => {
  let heard = 0;
  let last = 0;

  const tell = () => {
    if (heard < 500) return;
    const seconds = (Math.min(heard, 120_000) / 1000).toFixed(2);
    heard = 0;
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    const body = new URLSearchParams({ seconds });
    fetch("/wellness/listened", { method: "POST", headers, body, keepalive: true }).catch(() => {});
  };

  document.addEventListener("voxwarden:playing", () => {
    const now = performance.now();
    if (now - last < GAP) heard += now - last;
    last = now;
    if (heard >= EVERY) tell();
  });
  // Sound that ended is told soon, and what is left when the page goes.
  setInterval(() => performance.now() - last > 2 * GAP && tell(), 5_000);
  addEventListener("pagehide", tell);
};
