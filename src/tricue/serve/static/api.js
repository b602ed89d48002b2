/** The page for programs: what /openapi.json tells, for people to read. */

import { byId, element } from "./elements.js";
import { readDescription } from "./service.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

for (const place of document.querySelectorAll(".origin")) place.textContent = window.location.origin;
try {
  show(await readDescription());
} catch (error) {
  byId("routes").replaceChildren(element("p", { class: "failure", role: "alert" }, error.message));
}

function show(description) {
  const { info, paths } = description;
  const schemas = Object.entries(description.components?.schemas ?? {});
  byId("told").textContent = info.description ?? "";
  byId("routes").replaceChildren(...Object.entries(paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => route(method, path, methods[method]))));
  byId("schemas").replaceChildren(...schemas.map(([name, schema]) => element(
    "div", { class: "part", id: `schema-${name}` },
    element("h3", {}, name), schema.description ? element("p", {}, schema.description) : null, fieldsOf(schema),
  )));
  byId("schemas").closest("section").hidden = schemas.length === 0;
}

function route(method, path, operation) {
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return element(
    "section", { class: "card route", "aria-label": `${method.toUpperCase()} ${path}` },
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, operation.description ?? operation.summary ?? ""),
    ...bodies.map(([type, { schema }]) =>
      element("div", { class: "part" }, element("h3", {}, "Body: ", element("code", {}, type)), ...forms(schema))),
    element("div", { class: "part" }, element("h3", {}, "Answers"), answers(operation.responses)),
  );
}

/** A body of one shape, or of one of several. */
function forms(schema) {
  const shapes = schema.oneOf ?? schema.anyOf ?? [schema];
  return shapes.flatMap((shape, i) => [i > 0 ? element("p", { class: "soft" }, "or") : null, fieldsOf(shape)]);
}

function fieldsOf(schema) {
  const needed = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {});
  const told = fields.some(([, field]) => field.description);
  const rows = fields.map(([name, field]) => element(
    "tr", {},
    element("th", { scope: "row" }, element("code", {}, name)),
    element("td", {}, ...typeOf(field), needed.size > 0 && !needed.has(name) ? element("span", { class: "soft" }, ", optional") : null),
    told ? element("td", {}, ...coded(field.description ?? "")) : null,
  ));
  const head = ["Field", "Kind", ...(told ? ["What it is"] : [])].map((title) => element("th", { scope: "col" }, title));
  return table("Fields", [element("tr", {}, ...head)], rows);
}

/** What stands between backticks is code. */
function coded(text) {
  return text.split("`").map((piece, i) => (i % 2 === 1 ? element("code", {}, piece) : piece));
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) => element(
    "tr", {},
    element("th", { scope: "row" }, element("code", {}, status)),
    element("td", {}, response.description),
    element("td", {}, ...typeOf(response.content?.["application/json"]?.schema ?? {})),
  ));
  const head = ["Status", "Meaning", "JSON"].map((title) => element("th", { scope: "col" }, title));
  return table("Answers", [element("tr", {}, ...head)], rows);
}

/** Wide ones scroll in their own box, by keys too, and never the page. */
function table(name, head, rows) {
  const made = element("table", {}, element("thead", {}, ...head), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", role: "group", tabindex: 0, "aria-label": name }, made);
}

/** The kind of a value, in words and links. */
function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    return [element("a", { href: `#schema-${name}` }, name)];
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.flatMap((choice, i) => [i > 0 ? " or " : null, ...typeOf(choice)]);
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items ?? {})];
  if (schema.format === "binary") return ["file"];
  if (schema.type === "object" && schema.properties) {
    const inner = Object.entries(schema.properties).flatMap(([name, field], i) =>
      [i > 0 ? ", " : null, element("code", {}, name), ": ", ...typeOf(field)]);
    return ["{", ...inner, "}"];
  }
  if (schema.additionalProperties?.type) return [`object of ${schema.additionalProperties.type}s`];
  const { type = "any", minimum, maximum } = schema;
  return [minimum !== undefined && maximum !== undefined ? `${type} from ${minimum} to ${maximum}` : type];
}
