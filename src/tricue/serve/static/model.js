/** What the model behind the page reads, knows and takes, and what follows for the form. */

import { byId, element } from "./elements.js";
import { MODALITIES, modalityName, duration, fileSize, listed } from "./format.js";

const KNOWS = { classes: "knows", labels: "names any of", values: "rates" };
const EXPECTED = {
  classes: "how likely the model finds each emotion, how uncertain it is",
  labels: "how likely the model finds each emotion, and which of them it names",
  values: "each value on its range",
};

/** Show GET /v1/model in the head of the page, and fit the form to it. */
export function showModel(model) {
  const { kind } = model.task;
  Object.assign(MODALITIES, model.shown);
  byId("abstain-row").hidden = kind !== "classes";
  byId("more").textContent = kind === "classes" ? "More: subtitles, pieces, doubt" : "More: subtitles, pieces";
  byId("empty").replaceChildren(element("p", {}, `You will see here ${EXPECTED[kind]}, what the words, the sound and the ` +
    "picture each contributed, and, for longer clips, how that changes over time."));
  byId("model").replaceChildren(...facts(model));
  byId("toy").hidden = !model.note;
  byId("toy").textContent = model.note ?? "";
  byId("clip-limits").textContent =
    `Sound or video, up to ${fileSize(model.limits.bytes)} and ${duration(model.limits.seconds)}.`;
  byId("transcribe-row").hidden = !model.transcribes;
  const deaf = !model.transcribes && !model.modalities.includes("audio") && !model.modalities.includes("video");
  if (deaf) closeClips();
}

function facts(model) {
  const modalities = Object.keys(MODALITIES).map((modality) => {
    const read = model.modalities.includes(modality) || (modality === "text" && model.transcribes);
    return element("li", { class: read ? "read" : "unread" }, read ? modalityName(modality) : `no ${modalityName(modality)}`);
  });
  return [
    element("p", {}, "Model ", element("strong", {}, model.name), " reads"),
    element("ul", { class: "modalities", "aria-label": "What the model reads" }, ...modalities),
    element("p", {}, `and ${KNOWS[model.task.kind]} ${listed(model.task.axes.map((axis) => axis.name))}.`),
  ];
}

/** The model reads words alone and nobody here can hear them. */
function closeClips() {
  for (const id of ["file", "record-microphone", "record-camera"]) byId(id).disabled = true;
  byId("drop").classList.add("closed");
  byId("drop-hint").textContent = "This model reads words alone, and no speech recogniser is loaded: type them below.";
  byId("clip-limits").textContent = "";
}
