/**
 * How many milliseconds a test waits for an event before it fails. It is the only time limit of these tests, and long
 * enough for a machine that is many times slower.
 */
export const PATIENCE = 120_000;

/**
 * Waits in the page until the condition is true. It is evaluated ten times per second. By default, playwright evaluates
 * it in every frame, which makes all pages paint all the time.
 */
export const until = (page, condition, given) => page.waitForFunction(condition, given, { polling: 100 });

/** Returns the value of the promise, or throws an error with `what` if it does not resolve in time. */
export async function inTime(promise, what, limit = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in ${limit / 1000} s: ${what}`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
