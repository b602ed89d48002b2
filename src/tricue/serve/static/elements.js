/** Making and finding elements. Everything that comes from outside becomes text, never markup. */

/**
 * An element with attributes and children; strings among the children become text nodes.
 * An attribute that is null, undefined or false is left out, true is an empty one.
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The element of the page with this id. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no element #${id}.`);
  return found;
}

/** A class's square and its name, which stays beside it however many lines it takes. */
export function named(colour, name) {
  return element("span", { class: "named" }, swatch(colour), element("span", {}, name));
}

/** A small square in a class's colour, hatched for none; for eyes alone: the name always stands beside it. */
export function swatch(colour) {
  const made = element("span", { class: colour ? "swatch" : "swatch unsure", "aria-hidden": "true" });
  if (colour) made.style.backgroundColor = colour;
  return made;
}
