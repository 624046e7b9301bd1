/** Half of the first bound, and half of the last, in milliseconds. */
const BASE = 500;
const MOST = 15_000;

/** How long to wait before the next attempt: a time between half of a bound and the bound, which doubles with each
 * failure, so that clients that were cut together do not come back together. */
export class Backoff {
  /** What an event stream's `retry:` asked for, in milliseconds. */
  retry = 0;
  #failures = 0;

  delay(atLeast = this.retry): number {
    return atLeast + (1 + Math.random()) * Math.min(MOST, BASE * 2 ** this.#failures++);
  }

  reset(): void {
    this.#failures = 0;
  }
}
