/** The recording panel: the picture, the time, the loudness, and the way to stop. */

import { byId } from "./elements.js";
import { clock } from "./format.js";
import { startRecording, whyNoRecording } from "./recorder.js";

const BUTTONS = ["record-microphone", "record-camera"];

/** Wire the panel. limits(): {seconds, bytes}; onStart(); onClip(file); onDiscarded(); onTrouble(sentence). */
export function recordingPanel(calls) {
  const why = whyNoRecording();
  if (why !== null) {
    for (const id of BUTTONS) byId(id).disabled = true;
    byId("no-recording").textContent = `Recording is off. ${why}`;
    byId("no-recording").hidden = false;
    return;
  }
  for (const kind of ["microphone", "camera"]) {
    byId(`record-${kind}`).addEventListener("click", () => record(kind, calls));
  }
}

async function record(kind, { limits, onStart, onClip, onDiscarded, onTrouble }) {
  lock(true);
  let recording;
  try {
    recording = await startRecording(kind, limits());
  } catch (error) {
    lock(false);
    onTrouble(error.message);
    return;
  }
  onStart();
  const kept = await shown(kind, recording).catch((error) => onTrouble(`The recording broke off: ${error.message}`));
  lock(false);
  byId(`record-${kind}`).focus();
  if (kept) onClip(kept);
  else if (kept === null) onDiscarded();
}

/** Show the panel until the recording ends; the File, or null where it was discarded. */
async function shown(kind, recording) {
  let discarded = false;
  const ended = new AbortController();
  byId("stop").addEventListener("click", recording.stop, { signal: ended.signal });
  byId("discard").addEventListener("click", () => { discarded = true; recording.stop(); }, { signal: ended.signal });
  byId("recording-what").textContent = `Recording from the ${kind}`;
  byId("live").hidden = kind !== "camera";
  byId("live").srcObject = kind === "camera" ? recording.stream : null;
  byId("recording").hidden = false;
  byId("stop").focus();
  const began = performance.now();
  const frame = () => {
    if (ended.signal.aborted) return;
    byId("recording-time").textContent = clock((performance.now() - began) / 1000);
    byId("level").value = recording.level();
    requestAnimationFrame(frame);
  };
  frame();
  try {
    const file = await recording.finished;
    if (discarded) return null;
    if (file === null) throw new Error("nothing came from it.");
    return file;
  } finally {
    ended.abort();
    byId("live").srcObject = null;
    byId("recording").hidden = true;
  }
}

function lock(locked) {
  for (const id of BUTTONS) byId(id).disabled = locked;
}
