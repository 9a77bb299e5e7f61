// A decision (or a skip) that is on its way. The page leaves the case only after the answer: to open another case moves
// the lease, and the server refuses a decision without its lease. A verdict that the page does not send is never silent.
import { find, say, text } from "./dom.js";
import { answered, missed, sends, unsent } from "./lease.js";
import { isOutage, outage, outageEnds } from "./outage.js";

const ENDS = /^\/cases\/[^/]+\/(decision|like|skip)$/;

let sent = ""; // the name of what is on its way
let wish = null;
let held = null; // the button of a verdict that waits for the measure of another label
let tried = null; // the button that was pressed last

const ends = ({ verb, path }) => verb === "post" && ENDS.test(path);
const buttonOf = ({ elt, triggeringEvent }) => triggeringEvent?.submitter ?? elt;
const nameOf = (button) => (find(".clip", button) ?? button.firstChild).textContent.trim();

const begin = (button) => {
  tried = button;
  sent = nameOf(button);
  sends(sent);
};

/** Goes on at once, or after the answer to what is on its way. The last of several wishes counts. */
export const goOn = (how) => {
  if (!sent) return how();
  wish = how;
  say(text("sending", { what: sent }));
};

/** Goes on after the case ended: as the person wished meanwhile, or else as `usual`. */
export const ended = (usual) => {
  const how = wish ?? usual;
  wish = null;
  how();
};

/** Holds a verdict until the form has the measure of its label. A measure that was lost is asked for again. */
const hold = (button) => {
  held = button;
  begin(button);
  if (find("#proposed[data-lost]")) htmx.trigger('#decide [name="label"]', "change");
};

/** Tells whether a verdict or a skip goes to the server now. If not, the person learns it. */
const goes = (detail) => {
  const button = buttonOf(detail);
  if (find("#pane").ariaBusy === "true") missed(text("opening")); // who sees this case may mean the next one
  else if (sent) {
    if (nameOf(button) !== sent) missed(text("not_taken", { what: nameOf(button), sent }));
  } else if (detail.elt.id === "decide" && find("#proposed.htmx-request, #proposed[data-lost]")) hold(button);
  else return true;
  return false;
};

const sendAgain = () => tried?.isConnected && tried.click();

/** Says that the last verdict or skip was not sent, and sends it again when an outage is over: the server keeps one. */
const notSent = async (status) => {
  const words = !isOutage(status) ? "failed" : status ? "unsent" : "offline";
  unsent(text(words, { what: nameOf(tried) }));
  if (!isOutage(status)) return;
  outage();
  await outageEnds();
  if (find("#strip").dataset.state === "unsent") sendAgain();
};

export const start = () => {
  const { body } = document;
  body.addEventListener("htmx:confirm", (event) => {
    const { detail } = event;
    if (ends(detail) && !goes(detail)) event.preventDefault();
  });
  body.addEventListener("htmx:beforeSend", ({ detail }) => ends(detail.requestConfig) && begin(buttonOf(detail.requestConfig)));
  body.addEventListener("htmx:beforeOnLoad", (event) => {
    if (!ends(event.detail.requestConfig)) return;
    sent = "";
    if (isOutage(event.detail.xhr.status)) event.preventDefault(); // the strip says it
  });
  const measured = ({ detail }) => {
    if (!detail.requestConfig.path.endsWith("/proposal") || find("#proposed.htmx-request")) return;
    find("#proposed")?.toggleAttribute("data-lost", !detail.successful);
    if (!held) return;
    const button = held;
    held = null;
    sent = "";
    if (detail.successful) return button.click();
    wish = null; // the case stays open
    notSent(detail.xhr.status);
  };
  body.addEventListener("htmx:afterOnLoad", measured);
  // What a person chooses stays: a measure that comes later does not replace it.
  body.addEventListener("change", ({ target }) => target.id === "action" && !held && htmx.trigger("#proposed", "htmx:abort"));
  for (const lost of ["htmx:sendError", "htmx:timeout"]) body.addEventListener(lost, measured);
  // If there is no answer, or if it is a refusal, the case stays open and says why. Nothing is lost when the network is.
  body.addEventListener("htmx:afterRequest", (event) => {
    if (!ends(event.detail.requestConfig)) return;
    sent = "";
    wish = null;
    answered();
    const { status } = event.detail.xhr;
    if (status === 0 || status >= 500) notSent(status);
  });
  body.addEventListener("click", (event) => event.target.closest?.("#strip [data-again]") && sendAgain());
  body.addEventListener("retaken", sendAgain);
  addEventListener("beforeunload", (event) => sent && event.preventDefault()); // the browser asks before it leaves
};
