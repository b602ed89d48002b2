/** The page's start: reads what the model is, and turns what a person gives into a question to the service. */

import { Clip } from "./clip.js";
import { byId } from "./elements.js";
import { fileSize } from "./format.js";
import { showModel } from "./model.js";
import { recordingPanel } from "./panel.js";
import { Result } from "./result.js";
import { predict, readModel } from "./service.js";

const form = byId("ask");
const result = new Result(() => clip.bringHome());
let model = null; // as GET /v1/model tells it; null until then
let request = null; // the AbortController of the one under way

const clip = new Clip({
  onClip: () => { hint(); ask(); },
  onSubtitles: () => clip.file && ask(),
  onRemoved: () => { hint(); abort(); result.empty("Removed."); },
  onTrouble: (sentence) => { abort(); result.failure(sentence); },
});

recordingPanel({
  limits: () => ({ seconds: model?.limits.seconds ?? 600, bytes: model?.limits.bytes ?? 1e8 }),
  onStart: () => { abort(); clip.clear(); hint(); result.empty("Recording. Stop to ask."); },
  onClip: (file) => clip.set(file),
  onDiscarded: () => result.state === "empty" && result.empty("Discarded."), // words may have been asked about since
  onTrouble: (sentence) => { abort(); result.failure(sentence); },
});

/** Send what is in the form. A question under way is given up for the new one. */
async function ask() {
  const trouble = refusal();
  abort();
  if (trouble !== null) return result.failure(trouble);
  const [own, player] = [(request = new AbortController()), clip.player];
  result.busy();
  try {
    if (model === null) await learn();
    const answer = await predict(fields(), own.signal);
    if (own.signal.aborted) return undefined;
    result.answer(answer, model.task, player);
  } catch (error) {
    if (own.signal.aborted) return undefined; // by the person, or by the next question
    result.failure(error.message);
  }
  if (request === own) request = null;
  return undefined;
}

function abort() {
  request?.abort();
  request = null;
}

/** Why this can't be sent, or null. */
function refusal() {
  for (const id of ["windows", "abstain"]) {
    if (byId(id).validity.valid) continue;
    byId("options").open = true;
    byId(id).focus();
    return `${form.querySelector(`label[for=${id}]`).textContent}: ${byId(`${id}-hint`).textContent}`;
  }
  if (clip.file === null && words() === "") return "Type some words, drop a clip or record one first.";
  if (clip.file !== null && model && clip.file.size > model.limits.bytes) {
    return `${clip.file.name} has ${fileSize(clip.file.size)}; the service takes ${fileSize(model.limits.bytes)}: give a shorter one.`;
  }
  return null;
}

function words() {
  return byId("text").value.trim();
}

function fields() {
  const made = new FormData();
  if (words() !== "") made.append("text", words());
  if (byId("abstain").value !== "") made.append("abstain", String(byId("abstain").valueAsNumber / 100));
  if (clip.file === null) return made;
  made.append("file", clip.file, clip.file.name);
  made.append("transcribe", String(model?.transcribes === true && byId("transcribe").checked));
  if (byId("windows").value !== "") made.append("windows", byId("windows").value);
  const [subtitles] = byId("subtitles").files;
  if (subtitles) made.append("subtitles", subtitles, subtitles.name);
  return made;
}

/** Words beside a clip are what is said in it. */
function hint() {
  const both = clip.file !== null && words() !== "";
  byId("text-hint").textContent = both
    ? "Taken as what is said in the clip; empty this to let the clip speak for itself."
    : "What somebody says. Beside a clip: what is said in it.";
}

form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
byId("text").addEventListener("input", hint);
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
byId("abort").addEventListener("click", () => { abort(); result.empty("Aborted."); });
hint();

/** What the model is. Throws ServiceError. */
async function learn() {
  model = await readModel();
  showModel(model);
  result.expect(model.task);
}

try {
  await learn();
} catch (error) {
  byId("model").textContent = `The service does not say what its model is. ${error.message}`;
}
