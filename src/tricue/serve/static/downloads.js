/** A timeline as a table and as captions: the same files as `tricue predict` writes (recording/write.py, captions.py). */

const HEAD = "Emotions in brackets are guesses of a model (tricue) with their probability";

/** JSON: all of it. */
export function asJson(timeline) {
  return `${JSON.stringify(timeline, null, 2)}\n`;
}

/**
 * CSV: start, end, speaker, text, emotion, confidence, p_<class>..., cues, error, and a note if there is one.
 *
 * Words come from whoever wrote the subtitles, and spreadsheets run what looks like a formula: an apostrophe before it.
 */
export function asTable(timeline) {
  const { emotions, note, entries } = timeline;
  const more = (value) => (note ? [value] : []);
  const head = ["start", "end", "speaker", "text", "emotion", "confidence", ...emotions.map((name) => `p_${name}`)];
  const rows = entries.map((entry) => [
    entry.start.toFixed(3),
    entry.end.toFixed(3),
    cell(entry.speaker),
    cell(entry.text),
    entry.emotion,
    entry.confidence?.toFixed(6),
    ...emotions.map((name) => entry.probabilities[name]?.toFixed(6)),
    entry.cues.join("+"),
    cell(entry.error),
    ...more(note),
  ]);
  return [[...head, "cues", "error", ...more("note")], ...rows].map(line).join("");
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
    const words = captionOf(entry);
    if (words) blocks.push(`${timing(entry)}\n${words}`);
  }
  return `${blocks.join("\n\n")}\n`;
}

function captionOf(entry) {
  const said = escaped([bracketed(entry), oneLine(entry.text ?? "")].filter(Boolean).join(" "));
  const speaker = escaped(oneLine(entry.speaker ?? ""));
  return said && speaker ? `<v ${speaker}>${said}` : said;
}

function bracketed({ emotion, confidence }) {
  if (emotion === null) return "";
  const sure = emotion === "uncertain" || confidence === null ? "" : ` ${(100 * confidence).toFixed(0)}%`;
  return `[${oneLine(emotion)}${sure}]`;
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
