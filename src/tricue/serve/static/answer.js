/** One answer of the service as a part of the page. */

import { along, axesOf, inWords, isAnswered, likeliest, namedIn, percent, valuesOf, written } from "./answers.js";
import { element, named, swatch } from "./elements.js";
import { MODALITIES, listed, modalityName, points, sureness, took } from "./format.js";

/** What is said of an answer in one line, also to those who listen. */
export function summary(answer, task) {
  if (!isAnswered(answer)) return answer.error ?? "There is no answer.";
  const modalities = answer.modalities.length > 0 ? `, from ${listed(answer.modalities.map(modalityName))}` : "";
  return `${inWords(task, answer)}${modalities}.`;
}

/** The whole answer. task: as GET /v1/model tells it. */
export function answerView(answer, task) {
  if (!isAnswered(answer)) return element("div");
  return element(
    "div",
    { class: "answer" },
    task.kind === "values" ? null : headline(answer, task),
    notice("Not all of it could be read: ", answer.error),
    notice("Note: ", answer.note),
    task.kind === "values" ? gauges(answer, task) : bars(answer, task),
    uncertaintyView(answer.uncertainty ?? null),
    contributionsView(answer, task),
    wordsView(answer),
    element("p", { class: "soft small" }, `Answered in ${took(answer.milliseconds)}.`),
  );
}

/** What stands in an answer's place until there is one: the names that may come. */
export function ghostView(task) {
  const rows = task.axes.map(({ name, colour }) =>
    element("li", {}, element("span", { class: "name" }, named(colour, name)), element("span", { class: "bar" })));
  return element("ol", { class: "bars ghost", "aria-hidden": "true" }, ...rows);
}

function headline(answer, task) {
  const said = namedIn(task, answer);
  const doubtful = task.kind === "classes" && answer.emotion !== said[0];
  const colours = new Map(task.axes.map(({ name, colour }) => [name, colour]));
  const names = doubtful ? [answer.emotion] : said;
  const more = doubtful ? `likeliest: ${said[0]}, ` : "";
  return element(
    "p",
    { class: "headline" },
    element("span", { id: "emotion", class: "names" }, ...names.map((name) =>
      element("span", { class: "named" }, swatch(colours.get(name)), element("strong", {}, name))),
    names.length === 0 ? element("strong", {}, "none") : null),
    task.kind === "classes" ? element("span", {}, `${more}${percent(answer.probabilities[said[0]])}`) : null,
  );
}

/** Probabilities, the highest first; of labels with their thresholds. */
function bars(answer, task) {
  const said = new Set(namedIn(task, answer));
  const values = valuesOf(answer);
  const rows = [...task.axes].sort((one, other) => values[other.name] - values[one.name]).map((axis) =>
    row(axis, task.kind === "labels" && said.has(axis.name), bar(values[axis.name], axis.colour, axis.mark),
      element("span", { class: "number" }, percent(values[axis.name]))));
  const hint = "Each by itself; one that reaches its line is named.";
  return part(
    "How likely each is",
    element("ol", { class: "bars", id: "bars" }, ...rows),
    task.kind === "labels" ? element("p", { class: "soft small" }, hint) : null,
  );
}

/** Values on their ranges, each with its way from the mean of the training rows. */
function gauges(answer, task) {
  const rows = axesOf(task, [answer]).map((axis) => {
    const value = answer.values[axis.name];
    const ends = [axis.low, axis.high].map((end) => element("span", {}, String(Number(end.toFixed(2)))));
    return row(axis, false,
      element("span", { class: "gauge" }, gauge(axis, value), element("span", { class: "ends" }, ...ends)),
      element("span", { class: "number" }, written(task, value)));
  });
  const marked = task.axes.some((axis) => axis.mark !== null);
  return part(
    "Each value on its range",
    element("ol", { class: "bars", id: "bars" }, ...rows),
    marked ? element("p", { class: "soft small" }, "The line is the mean of the training rows.") : null,
  );
}

function row(axis, isNamed, drawn, number) {
  return element("li", { class: isNamed ? "said" : null },
    element("span", { class: "name" }, named(axis.colour, axis.name)), drawn, number);
}

function uncertaintyView(uncertainty) {
  if (uncertainty === null) return null;
  const said = element("span", { id: "uncertainty" }, `${percent(uncertainty)}: the model is ${sureness(uncertainty)}`);
  const hint = "0% where one emotion is certain, 100% where all are as likely.";
  return part(
    "Uncertainty",
    element("p", { class: "uncertainty" }, bar(uncertainty), said),
    element("p", { class: "soft small" }, hint),
  );
}

/** Of the likeliest class; of other tasks of the value that is chosen. */
function contributionsView(answer, task) {
  if (Object.keys(answer.contributions).length === 0) return null;
  const list = element("ul", { class: "bars leaning", id: "contributions" });
  const hint = element("p", { class: "soft small" });
  const show = (name, added) => {
    list.replaceChildren(...contributions(added, task));
    const what = task.kind === "values" ? `What each modality adds to the ${name}` : `Points of probability that each modality adds to ${name}`;
    const start = task.kind === "values" ? "the mean of the training rows, before calibration" : "how common it was in training";
    hint.replaceChildren(`${what}, or takes from it, starting from ${start}.`);
  };
  if (task.kind === "classes") {
    show(likeliest(answer), answer.contributions);
    return part("What each modality contributed", list, hint);
  }
  const names = task.axes.map((axis) => axis.name);
  const first = task.kind === "labels" ? likeliest(answer) : names[0];
  const choice = element("select", { "aria-label": "Contributions to" },
    ...names.map((name) => element("option", { selected: name === first }, name)));
  const chosen = () => show(choice.value, Object.fromEntries(
    Object.entries(answer.contributions).map(([modality, added]) => [modality, added[choice.value]])));
  choice.addEventListener("change", chosen);
  chosen();
  return part("What each modality contributed", names.length > 1 ? element("p", {}, "to ", choice) : null, list, hint);
}

function contributions(added, task) {
  const shares = Object.entries(added);
  const widest = Math.max(0.01, ...shares.map(([, share]) => Math.abs(share)));
  return shares.map(([modality, share]) => {
    const { colour } = MODALITIES[modality] ?? {};
    const number = task.kind === "values" ? `${share > 0 ? "+" : ""}${written(task, share)}` : points(share);
    return element(
      "li",
      {},
      element("span", { class: "name" }, named(colour, modalityName(modality))),
      leaning(share / widest, colour),
      element("span", { class: "number" }, number),
    );
  });
}

function wordsView(answer) {
  if (answer.text) return part("The words", element("blockquote", { id: "words" }, answer.text));
  return answer.modalities.includes("text") ? null : element("p", { class: "soft" }, "No words were read or heard.");
}

/** A bar from `from` to `to`, both 0 to 1, with a line at `mark` or none. */
function span(from, to, colour, mark = null) {
  const filled = element("span", { class: "fill" });
  filled.style.marginLeft = `${100 * from}%`;
  filled.style.width = `${100 * (to - from)}%`;
  if (colour) filled.style.backgroundColor = colour;
  const line = mark === null ? null : element("span", { class: "line" });
  if (line) line.style.left = `${100 * mark}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled, line);
}

/** A bar from the left edge; share: 0 to 1. */
const bar = (share, colour, mark) => span(0, share, colour, mark);

/** A bar from the middle, to the right above 0 and to the left below; share: -1 to 1. */
const leaning = (share, colour) => span(0.5 + Math.min(0, share) / 2, 0.5 + Math.max(0, share) / 2, colour);

/** A bar from the mean to the value. */
function gauge(axis, value) {
  const [start, end] = [along(axis, axis.mark ?? axis.low), along(axis, value)];
  return span(Math.min(start, end), Math.max(start, end), axis.colour, axis.mark === null ? null : start);
}

function notice(lead, text) {
  return text ? element("p", { class: "notice" }, lead, text) : null;
}

function part(title, ...children) {
  return element("div", { class: "part" }, element("h3", {}, title), ...children);
}
