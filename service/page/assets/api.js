/** Asks the service. The key is kept here, in memory only. */

let key = "";

export const useKey = (given) => { key = given; };
export const hasKey = () => key !== "";

/** The service's refusal: `status`, and what its problem says. Status 0: it did not answer. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.type = problem.type ?? "";
  }

  get needsKey() {
    return this.status === 401 || this.status === 403;
  }
}

/** The answer and the milliseconds it took. Raises Problem, or AbortError after `signal`. */
export async function ask(path, body = undefined, signal = undefined) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const request = { headers, signal, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    Object.assign(request, { method: "POST", body });
    headers["content-type"] = "application/json";
  }
  const begun = performance.now();
  const { status, ok, text } = await sent(path, request);
  const milliseconds = performance.now() - begun;
  const answer = parsed(text);
  if (!ok) throw new Problem(status, answer ?? {});
  return { answer, milliseconds };
}

async function sent(path, request) {
  try {
    const response = await fetch(path, request);
    return { status: response.status, ok: response.ok, text: await response.text() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: `The service did not answer: is it still running at ${location.host}? Ask again when it is.` });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
