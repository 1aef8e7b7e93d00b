/** Numbers as bars under each other. */

import { element } from "./dom.js";

/** `lines`: `{ name, share, text, chosen }`; `share`: of the width, 0 to 1. */
export function bars(lines) {
  return element("ul", { class: "bars" }, lines.map(({ name, share, text, chosen }) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    return element("li", chosen ? { class: "chosen" } : {}, element("span", { class: "name" }, name), bar, element("span", { class: "share" }, text));
  }));
}
