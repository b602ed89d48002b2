/** What the model behind the page reads, knows and takes, and what follows for the form. */

import { byId, element } from "./elements.js";
import { cueName, duration, fileSize, listed } from "./format.js";

const CUES = ["text", "audio", "video"];

/** Show GET /v1/model in the head of the page, and fit the form to it. */
export function showModel(model) {
  byId("model").replaceChildren(...facts(model));
  byId("toy").hidden = !model.note;
  byId("toy").textContent = model.note ?? "";
  byId("clip-limits").textContent =
    `Sound or video, up to ${fileSize(model.limits.bytes)} and ${duration(model.limits.seconds)}.`;
  byId("transcribe-row").hidden = !model.transcribes;
  const deaf = !model.transcribes && !model.cues.includes("audio") && !model.cues.includes("video");
  if (deaf) closeClips();
}

function facts(model) {
  const cues = CUES.map((cue) => {
    const read = model.cues.includes(cue) || (cue === "text" && model.transcribes);
    return element("li", { class: read ? "read" : "unread" }, read ? cueName(cue) : `no ${cueName(cue)}`);
  });
  return [
    element("p", {}, "Model ", element("strong", {}, model.name), " reads"),
    element("ul", { class: "cues", "aria-label": "What the model reads" }, ...cues),
    element("p", {}, `and knows ${listed(model.emotions)}.`),
  ];
}

/** The model reads words alone and nobody here can hear them. */
function closeClips() {
  for (const id of ["file", "record-microphone", "record-camera"]) byId(id).disabled = true;
  byId("drop").classList.add("closed");
  byId("drop-hint").textContent = "This model reads words alone, and no speech recogniser is loaded: type them below.";
  byId("clip-limits").textContent = "";
}
