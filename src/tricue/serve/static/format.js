/** Numbers and names as people read them. */

/** Modality -> {word, colour}, as GET /v1/model tells them of those that it reads. */
export const MODALITIES = { text: { word: "words" }, audio: { word: "sound" }, video: { word: "picture" } };

/** What a modality is called on the page. */
export const modalityName = (modality) => MODALITIES[modality]?.word ?? modality;

/** Hundredths of probability with their sign: "+41 points". */
export function points(share) {
  const rounded = Math.round(100 * share);
  const sign = rounded > 0 ? "+" : rounded < 0 ? "−" : "";
  return `${sign}${Math.abs(rounded)} ${Math.abs(rounded) === 1 ? "point" : "points"}`;
}

/** Seconds as "0:07" or "1:02:07". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** How long something took: "183 ms", "7.7 s". */
export function took(milliseconds) {
  return milliseconds < 1000 ? `${Math.max(1, Math.round(milliseconds))} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A length of time in words: "45 seconds", "10 minutes". */
export function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} seconds`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}

/** A number of bytes: "3.2 MB". */
export function fileSize(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  const mega = bytes / 1e6;
  return `${mega < 10 ? mega.toFixed(1) : Math.round(mega)} MB`;
}

/** "a, b and c". */
export function listed(items) {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** How sure the model is, in words; uncertainty is entropy over its greatest value, 0 to 1. */
export function sureness(uncertainty) {
  if (uncertainty < 0.35) return "quite sure";
  return uncertainty < 0.7 ? "in two minds" : "little more than guessing";
}
