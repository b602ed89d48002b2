/** A timeline as a table and as captions: the same files as `tricue predict` writes (recording/timeline_files.py, captions.py). */

import { isAnswered, valuesOf } from "./answers.js";

const HEAD = "Answers in brackets are guesses of a model (tricue)";

/** JSON: all of it. */
export function asJson(timeline) {
  return `${JSON.stringify(timeline, null, 2)}\n`;
}

/**
 * CSV: start, end, speaker, text, the columns of the task, modalities, error, and a note if there is one.
 *
 * Words come from whoever wrote the subtitles, and spreadsheets run what looks like a formula: an apostrophe before it.
 */
export function asTable({ task, note, entries }) {
  const more = (value) => (note ? [value] : []);
  const rows = entries.map((entry) => [
    entry.start.toFixed(3),
    entry.end.toFixed(3),
    cell(entry.speaker),
    cell(entry.text),
    ...task.columns.map((column) => columnOf(entry, column)),
    entry.modalities.join("+"),
    cell(entry.error),
    ...more(note),
  ]);
  const head = ["start", "end", "speaker", "text", ...task.columns, "modalities", "error", ...more("note")];
  return [head, ...rows].map(line).join("");
}

/** `emotion`, `emotions`, `confidence`; a value by its name, a probability with p_ before it. */
function columnOf(entry, column) {
  if (column === "emotions") return cell(entry.emotions && (entry.emotions.join(";") || "none"));
  const own = column in entry ? entry[column] : valuesOf(entry)[entry.probabilities ? column.slice(2) : column];
  return typeof own === "number" ? own.toFixed(6) : cell(own);
}

function cell(text) {
  return /^'*[=+\-@\t\r\n＝＋－＠]/.test(text ?? "") ? `'${text}` : text;
}

function line(values) {
  return `${values.map((value) => quoted(value ?? "")).join(",")}\r\n`;
}

function quoted(value) {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** WebVTT: a cue per segment, `[joy 82%] words`, with the speaker as its voice. */
export function asCaptions(timeline) {
  const remarks = [HEAD, ...(timeline.note ? [oneLine(timeline.note)] : [])];
  const blocks = ["WEBVTT", `NOTE\n${remarks.map((remark) => remark.replaceAll("-->", "->")).join("\n")}`];
  const ordered = [...timeline.entries].sort((a, b) => a.start - b.start || a.end - b.end);
  for (const entry of ordered) {
    const words = captionOf(entry, timeline.task);
    if (words) blocks.push(`${timing(entry)}\n${words}`);
  }
  return `${blocks.join("\n\n")}\n`;
}

function captionOf(entry, task) {
  const said = escaped([bracketed(entry, task), oneLine(entry.text ?? "")].filter(Boolean).join(" "));
  const speaker = escaped(oneLine(entry.speaker ?? ""));
  return said && speaker ? `<v ${speaker}>${said}` : said;
}

function bracketed(entry, task) {
  if (!isAnswered(entry)) return "";
  return `[${oneLine(wordsOf(entry, task))}]`;
}

function wordsOf({ emotion, emotions, confidence, values }, task) {
  if (task.kind === "labels") return emotions.join("; ") || "none";
  if (task.kind === "values") return Object.entries(values).map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  return emotion === "uncertain" ? emotion : `${emotion} ${(100 * confidence).toFixed(0)}%`;
}

function oneLine(text) {
  return text.replaceAll("\0", "\uFFFD").split(/\s+/).filter(Boolean).join(" ");
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function timing(entry) {
  const start = Math.round(1000 * entry.start);
  const end = Math.max(Math.round(1000 * entry.end), start + 1);
  return `${moment(start)} --> ${moment(end)}`;
}

function moment(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (value) => String(value).padStart(2, "0");
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(":");
  return `${clock}.${String(milliseconds % 1000).padStart(3, "0")}`;
}
