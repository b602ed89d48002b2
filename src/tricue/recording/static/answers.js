/*
 * What an answer says and where its values are on their axes, by what the task tells: for the page of `tricue serve`,
 * where this is the module answers.js, and for the page that `tricue predict` writes, which has its text inside.
 *
 * A task ({kind, axes}) is of `classes`, the likeliest of which is the answer, `labels`, of which those at their
 * thresholds are, or `values`. An axis is {name, low, high, mark, colour}. An entry of a timeline is an answer, too.
 */

const IN_ONE_LINE = 4; // values that are written out

const valuesOf = (answer) => answer.probabilities ?? answer.values ?? {};
const isAnswered = (answer) => Object.keys(valuesOf(answer)).length > 0;

/** The class with the highest value. */
const likeliest = (answer) => Object.entries(valuesOf(answer)).reduce((a, b) => (b[1] > a[1] ? b : a))[0];

/** The names that are the answer: one class, those that are named, or every value. */
function namedIn(task, answer) {
  if (!isAnswered(answer)) return [];
  if (task.kind === "labels") return answer.emotions;
  return task.kind === "classes" ? [likeliest(answer)] : Object.keys(answer.values);
}

/** "81%"; what is not quite nothing or everything says so. */
function percent(share) {
  const rounded = Math.round(100 * share);
  if (rounded === 0 && share > 0) return "<1%";
  if (rounded === 100 && share < 1) return ">99%";
  return `${rounded}%`;
}

/** A value as people read it: "81%", "−0.20". */
function written(task, value) {
  return task.kind === "values" ? value.toFixed(2).replace("-", "−") : percent(value);
}

/** An answer in one line: "joy 81%", "anger; fear", "valence 3.20, arousal 2.95". */
function inWords(task, answer) {
  if (!isAnswered(answer)) return "no answer";
  const named = namedIn(task, answer);
  if (task.kind === "labels") return named.join("; ") || "none";
  const values = valuesOf(answer);
  const told = named.slice(0, IN_ONE_LINE).map((name) => `${name} ${written(task, values[name])}`).join(", ");
  if (task.kind === "values") return named.length > IN_ONE_LINE ? `${told}, …` : told;
  return answer.emotion === named[0] ? told : `${answer.emotion}, likeliest ${told}`;
}

/** The axes with both ends: where the task knows none, those of these answers. */
function axesOf(task, answers) {
  return task.axes.map((axis) => {
    const values = answers.map((answer) => valuesOf(answer)[axis.name]).filter((value) => value !== undefined);
    const low = axis.low ?? Math.min(...values, 0), high = axis.high ?? Math.max(...values, 1);
    return { ...axis, low, high };
  });
}

/** How far along its axis a value is, 0 to 1. */
const along = (axis, value) => Math.min(1, Math.max(0, (value - axis.low) / (axis.high - axis.low)));

export { along, axesOf, inWords, isAnswered, likeliest, namedIn, percent, valuesOf, written };
