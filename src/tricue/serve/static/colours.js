/** The colour of each class: the same as in the package's reports (src/tricue/report/figure.py; a test compares). */

// Paul Tol's "muted" scheme (Technical note SRON/EPS/TN/09-002, fig. 3)
const MUTED = [
  "#332288", "#117733", "#CC6677", "#88CCEE", "#999933", "#882255", "#44AA99", "#AA4499", "#DDCC77",
];
const NAMED = new Map([
  ["anger", "#882255"], ["joy", "#999933"], ["neutral", "#7A7A7A"], ["sadness", "#332288"],
  ["surprise", "#CC6677"], ["fear", "#AA4499"], ["disgust", "#117733"], ["calm", "#88CCEE"],
  ["excitement", "#DDCC77"], ["frustration", "#44AA99"],
]);

export const CUE_COLOURS = { text: "#332288", audio: "#CC6677", video: "#117733" };

/** A Map from emotion to colour: by its name where it is a usual one, else what is left of the scheme, in order. */
export function emotionColours(emotions) {
  const taken = new Set(emotions.map((emotion) => NAMED.get(emotion)));
  const free = MUTED.filter((colour) => !taken.has(colour));
  const left = free.length > 0 ? free : MUTED;
  let others = 0;
  return new Map(
    emotions.map((emotion) => [emotion, NAMED.get(emotion) ?? left[others++ % left.length]]),
  );
}
