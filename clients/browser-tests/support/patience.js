/**
 * How many milliseconds a test waits for an event before it fails: the one limit of these tests. It is generous,
 * because it must hold on a machine that is many times slower; what arrives sooner is not waited for any longer.
 */
export const PATIENCE = 120_000;

/**
 * Waits in the page until the condition holds. It looks ten times a second: to look with every frame, as playwright
 * does by default, makes all pages paint all the time.
 */
export const until = (page, condition, given) => page.waitForFunction(condition, given, { polling: 100 });

/** Returns what the promise gives, or throws an error that names `what` did not happen in time. */
export async function inTime(promise, what, limit = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in ${limit / 1000} s: ${what}`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
