/** The page's colours, for what is drawn on a canvas. */

const dark = matchMedia("(prefers-color-scheme: dark)");

/** A colour of page.css as it is now: `colour("input")` is `--input`. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Call `draw` whenever light turns to dark or back, until the function that is returned is called. */
export function onNewColours(draw) {
  dark.addEventListener("change", draw);
  return () => dark.removeEventListener("change", draw);
}
