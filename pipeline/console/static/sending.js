// A decision (or a skip) that is on its way. The page leaves the case only after the answer: to open another case moves
// the lease, and the server refuses a decision without its lease.
import { find } from "./dom.js";
import { waited, waits } from "./lease.js";

const ENDS = /^\/cases\/[^/]+\/(decision|like|skip)$/;

let sent = false;
let wish = null;
let held = null; // the button of a verdict that waits for the measure of another label

const ends = ({ verb, path }) => verb === "post" && ENDS.test(path);

/** Goes on at once, or after the answer to what is on its way. The last of several wishes counts. */
export const goOn = (how) => {
  if (!sent) return how();
  wish = how;
  waits();
};

/** Goes on after the case ended: as the person wished meanwhile, or else as `usual`. */
export const ended = (usual) => {
  const how = wish ?? usual;
  wish = null;
  how();
};

export const start = () => {
  const { body } = document;
  body.addEventListener("htmx:confirm", (event) => {
    if (ends(event.detail) && (held || find("#pane").ariaBusy === "true")) event.preventDefault(); // the case is being left
    // The form still has the measure that belongs to the label before, so the verdict waits.
    else if (event.detail.elt.id === "decide" && find("#proposed.htmx-request")) {
      event.preventDefault();
      held = event.detail.triggeringEvent.submitter;
      sent = true;
      waits();
    }
    // An undo could reach the server first, and take back the decision before this one.
    if (!sent || event.detail.path !== "/undo") return;
    event.preventDefault();
    goOn(() => htmx.ajax("POST", "/undo", { target: "#undo", swap: "innerHTML" }));
  });
  body.addEventListener("htmx:beforeSend", (event) => (sent ||= ends(event.detail.requestConfig)));
  body.addEventListener("htmx:beforeOnLoad", (event) => (sent &&= !ends(event.detail.requestConfig)));
  const measured = ({ detail }) => {
    if (!held || !detail.requestConfig.path.endsWith("/proposal") || find("#proposed.htmx-request")) return;
    const button = held;
    held = null;
    sent = false;
    if (detail.successful) return button.click();
    wish = null; // the case stays open, and the person decides again
    waited();
  };
  body.addEventListener("htmx:afterOnLoad", measured);
  body.addEventListener("htmx:sendError", measured);
  // If there is no answer, or if it is a refusal, the case stays open and says why.
  body.addEventListener("htmx:afterRequest", (event) => {
    if (!ends(event.detail.requestConfig)) return;
    sent = false;
    wish = null;
    waited();
  });
  addEventListener("beforeunload", (event) => sent && event.preventDefault()); // the browser asks before it leaves
};
