// Starts the parts of the page: keys, palette, deadlines, list, player, transcript, lease, sending, live updates,
// readers, wellness, typed text. Most parts have a file of their own.
import "./every_page.js";
import "./inbox.js";
import "./people.js";
import { startKeys, startRemap } from "./keyboard.js";
import { start as startPalette } from "./palette.js";
import { start as startList, startDue } from "./list.js";
import { start as startParts, startCorrection, startTranscript } from "./parts.js";
import { start as startForm, startSettled, startUndo } from "./decision.js";
import { start as startPlayer } from "./player.js";
import { start as startLease } from "./lease.js";
import { start as startSending } from "./sending.js";
import { start as startLive, startViewing } from "./live.js";
import { start as startWellness } from "./wellness.js";
import { start as startTyped } from "./typed.js";
import { start as startClips } from "./clips.js";
import { claim, start as startSearch } from "./search.js";

startKeys();
startDue();
startTyped();
startPalette();
startRemap();
startTranscript();
startSettled();
// The page of an appeal has a player, but no list.
if (document.getElementById("player") && !document.getElementById("rows")) startPlayer();
if (document.getElementById("rows")) {
  startList();
  startParts();
  startCorrection();
  startForm();
  startPlayer();
  startLease();
  startSending();
  startUndo();
  startLive();
  startViewing();
  startWellness();
  claim();
}
if (document.getElementById("results")) startSearch();
if (document.querySelector("main[data-soften]")) {
  startClips();
  startWellness();
}
