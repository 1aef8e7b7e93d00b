/** The command that asks the same. */

const MOST_ARGUMENT = 100_000; // characters: Linux takes arguments of 131,072 bytes at most
const MOST_SHOWN = 20_000;
const EDGE = 2_000;

/** `keyed`: the key itself is never written; the shell takes it from UNROLL_KEY. */
export function curlText(model, body, keyed) {
  const address = new URL(`models/${model}/predict`, document.baseURI);
  const key = keyed ? ["-H \"authorization: Bearer $UNROLL_KEY\""] : [];
  const data = body.length > MOST_ARGUMENT ? `--data-binary @- <<'END'\n${body}\nEND` : `-d '${body.replaceAll("'", "'\\''")}'`;
  return [`curl -s ${address}`, ...key, "-H 'content-type: application/json'", data].join(" \\\n  ");
}

/** What is shown of a long command. */
export function cut(command) {
  return command.length > MOST_SHOWN ? `${command.slice(0, EDGE)}\n... ${command.length - 2 * EDGE} characters more; Copy copies all ...\n${command.slice(-EDGE)}` : command;
}
