/*
 * Which segment is current, and where the keys lead: one rule for the page of `tricue serve`, where this is the module
 * segments.js, and for the page that `tricue predict` writes, which has its text inside. Segments ({start, end}) are in
 * the order of their starts.
 */

const LATE = 0.02; // seconds: a player lands a hair beside where it was sent
const AGAIN = 1; // seconds into a segment from which on "back" means its own beginning

/** Those at `seconds`, by index. However short one is, a player that was sent to its beginning is in it. */
function segmentsAt(segments, seconds) {
  const at = seconds + LATE;
  const on = [];
  for (let i = 0; i < segments.length && segments[i].start <= at; i++) {
    if (Math.max(segments[i].end, segments[i].start + 2 * LATE) > at) on.push(i);
  }
  return on;
}

/** Of those at one moment the one to tell of, or null: the last to begin, unless one that began with it was `asked` for. */
function currentOf(segments, on, asked) {
  if (on.length === 0) return null;
  const last = on[on.length - 1];
  return on.includes(asked) && segments[last].start <= segments[asked].start + LATE ? asked : last;
}

/** The index that a key leads to from `seconds`, where `current` is told of; undefined for a key that leads nowhere. */
function ledTo(key, segments, seconds, current) {
  const last = segments.length - 1;
  let from = segments.filter((segment) => segment.start <= seconds + LATE).length - 1; // -1: before all of them
  if (current !== null && segments[current].start >= segments[from].start - LATE) from = current; // begun together
  const begun = from >= 0 && seconds > segments[from].start + AGAIN; // else back is the one before
  const next = Math.min(last, from + 1);
  const back = Math.max(0, begun ? from : from - 1);
  return { ArrowRight: next, ArrowDown: next, ArrowLeft: back, ArrowUp: back, Home: 0, End: last }[key];
}

export { currentOf, ledTo, segmentsAt };
