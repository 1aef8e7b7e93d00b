/** The command that asks the same. */

/** `keyed`: the key itself is never written; the shell takes it from UNROLL_KEY. */
export function curlText(model, body, keyed) {
  const address = new URL(`models/${model}/predict`, document.baseURI.split("#")[0]);
  const key = keyed ? ` -H "authorization: Bearer $UNROLL_KEY" \\\n ` : "";
  return `curl -s ${address} \\\n ${key} -H 'content-type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`;
}
