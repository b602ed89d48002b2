/** The service that this page came from: its model, its answers, its refusals. */

/** What the service, or the way to it, says went wrong: one sentence for people. */
export class ServiceError extends Error {
  constructor(reason, code) {
    super(reason);
    this.code = code;
  }
}

/** GET /v1/model. Throws ServiceError. */
export function readModel() {
  return ask("/v1/model", {});
}

/** GET /openapi.json. Throws ServiceError. */
export function readDescription() {
  return ask("/openapi.json", {});
}

/** POST /v1/predict with a FormData; `signal` aborts it (then an AbortError is thrown). Throws ServiceError. */
export function predict(fields, signal) {
  return ask("/v1/predict", { method: "POST", body: fields, signal });
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service can't be reached: is it still running?", "unreachable");
  }
  const content = await jsonOf(response);
  if (response.ok && content !== null) return content;
  const said = content?.error?.reason;
  throw new ServiceError(
    `${said ?? `The service answered with status ${response.status} and gave no reason.`}${waiting(response)}`,
    content?.error?.code ?? String(response.status),
  );
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null; // something between us and the service answered
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service stopped in the middle of its answer.", "unreachable");
  }
}

function waiting(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  return seconds > 0 ? ` Try again in ${seconds} s.` : "";
}
