/** One answer of the service as a part of the page. */

import { CUE_COLOURS } from "./colours.js";
import { element, named, swatch } from "./elements.js";
import { cueName, listed, percent, points, sureness, took } from "./format.js";

/** What is said of an answer in one line, also to those who listen. */
export function summary(answer) {
  if (answer.emotion === null) return answer.error ?? "There is no answer.";
  const cues = answer.cues.length > 0 ? `, from ${listed(answer.cues.map(cueName))}` : "";
  const [likeliest, share] = ranked(answer)[0] ?? [answer.emotion, answer.confidence];
  const said = answer.emotion === likeliest ? answer.emotion : `${answer.emotion}; likeliest ${likeliest}`;
  return `${said}, ${percent(share)}${cues}.`;
}

/** The whole answer. colours: a Map from emotion to colour. */
export function answerView(answer, colours) {
  if (answer.emotion === null) return element("div");
  return element(
    "div",
    { class: "answer" },
    headline(answer, colours),
    notice("Not all of it could be read: ", answer.error),
    notice("Note: ", answer.note),
    bars(answer, colours),
    uncertaintyView(answer.uncertainty),
    contributionsView(answer),
    wordsView(answer),
    element("p", { class: "soft small" }, `Answered in ${took(answer.milliseconds)}.`),
  );
}

/** What stands in an answer's place until there is one: the emotions that may come. */
export function ghostView(colours) {
  const rows = [...colours].map(([emotion, colour]) =>
    element("li", {}, element("span", { class: "name" }, named(colour, emotion)), element("span", { class: "bar" })));
  return element("ol", { class: "bars ghost", "aria-hidden": "true" }, ...rows);
}

function headline(answer, colours) {
  const [likeliest, share] = ranked(answer)[0];
  const doubtful = answer.emotion !== likeliest;
  const more = doubtful ? `likeliest: ${likeliest}, ${percent(share)}` : percent(share);
  return element(
    "p",
    { class: "headline" },
    element(
      "span",
      { class: "named" },
      swatch(colours.get(answer.emotion)),
      element("strong", { id: "emotion" }, answer.emotion),
    ),
    element("span", {}, more),
  );
}

function bars(answer, colours) {
  const rows = ranked(answer).map(([emotion, share]) =>
    element(
      "li",
      {},
      element("span", { class: "name" }, named(colours.get(emotion), emotion)),
      bar(share, colours.get(emotion)),
      element("span", { class: "number" }, percent(share)),
    ),
  );
  return part("How likely each is", element("ol", { class: "bars", id: "bars" }, ...rows));
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

function contributionsView(answer) {
  const shares = Object.entries(answer.contributions ?? {});
  if (shares.length === 0) return null;
  const widest = Math.max(0.01, ...shares.map(([, share]) => Math.abs(share)));
  const rows = shares.map(([cue, share]) =>
    element(
      "li",
      {},
      element("span", { class: "name" }, named(CUE_COLOURS[cue], cueName(cue))),
      leaning(share / widest, CUE_COLOURS[cue]),
      element("span", { class: "number" }, points(share)),
    ),
  );
  const hint =
    `Points of probability that each cue adds to ${ranked(answer)[0][0]}, or takes from it, starting from how ` +
    "common it was in training.";
  return part(
    "What each cue contributed",
    element("ul", { class: "bars leaning", id: "contributions" }, ...rows),
    element("p", { class: "soft small" }, hint),
  );
}

function wordsView(answer) {
  if (answer.text) return part("The words", element("blockquote", { id: "words" }, answer.text));
  return answer.cues.includes("text") ? null : element("p", { class: "soft" }, "No words were read or heard.");
}

/** A bar from the left edge; share: 0 to 1. */
export function bar(share, colour) {
  const filled = element("span", { class: "fill" });
  filled.style.width = `${100 * share}%`;
  if (colour) filled.style.backgroundColor = colour;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** A bar from the middle, to the right above 0 and to the left below; share: -1 to 1. */
function leaning(share, colour) {
  const made = bar(Math.abs(share) / 2, colour);
  made.firstChild.style.marginLeft = `${50 + 50 * Math.min(0, share)}%`;
  return made;
}

function notice(lead, text) {
  return text ? element("p", { class: "notice" }, lead, text) : null;
}

function part(title, ...children) {
  return element("div", { class: "part" }, element("h3", {}, title), ...children);
}

function ranked(answer) {
  return Object.entries(answer.probabilities).sort(([, one], [, other]) => other - one);
}
