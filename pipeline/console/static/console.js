// Starts the parts of the page: keys, palette, deadlines, list, player, transcript, lease, sending, live updates,
// readers, wellness, typed text. Each part is a file of its own.
import { start as startDue } from "./due.js";
import { start as startKeys } from "./keys.js";
import { start as startPalette } from "./palette.js";
import { start as startRemap } from "./remap.js";
import { start as startList } from "./list.js";
import { start as startParts } from "./parts.js";
import { start as startForm } from "./form.js";
import { start as startUndo } from "./undo.js";
import { start as startPlayer } from "./player.js";
import { start as startLease } from "./lease.js";
import { start as startSending } from "./sending.js";
import { start as startLive } from "./live.js";
import { start as startViewing } from "./viewing.js";
import { start as startWellness } from "./wellness.js";
import { start as startTyped } from "./typed.js";
import { start as startTranscript } from "./transcript.js";
import { start as startClips } from "./clips.js";
import { claim, start as startSearch } from "./search.js";

startKeys();
startDue();
startTyped();
startPalette();
startRemap();
startTranscript();
if (document.getElementById("player") && !document.getElementById("rows")) startPlayer();
if (document.getElementById("rows")) {
  startList();
  startParts();
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
