// The lease of the open case. Each action of the person renews it, and its last minute is counted down.
import { find, text } from "./dom.js";

const EVERY = 30_000; // the shortest time between two renewals, in milliseconds
const SHOWN = 60; // the page counts down the last 60 seconds

export const start = () => {
  let lease = "";
  let until = 0;
  let renewed = 0;

  const take = () => {
    const open = find("#pane .case");
    lease = find("#lease-id")?.value || "";
    until = lease && open ? performance.now() + Number(open.dataset.leaseSeconds || 300) * 1000 : 0;
    renewed = performance.now();
  };

  const renew = async () => {
    if (!lease || performance.now() - renewed < EVERY) return;
    renewed = performance.now();
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    const answer = await fetch(`/leases/${lease}/renew`, { method: "POST", headers }).catch(() => null);
    if (answer?.ok) until = performance.now() + (await answer.json()).seconds * 1000;
    else if (answer?.status === 409) lost();
  };

  const lost = () => {
    lease = "";
    const place = find("#lease");
    if (place) place.textContent = text("lease_lost");
  };

  const show = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    const place = find("#lease");
    if (place && lease && left <= SHOWN) place.textContent = text("lease_left", { n: Math.max(0, left) });
  };

  for (const kind of ["keydown", "pointerdown", "input", "voxwarden:playing"]) document.addEventListener(kind, renew);
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (["pane", "conflict"].includes(event.detail.target.id)) take();
  });
  setInterval(show, 1000);
  take();
};
