const BASE = 1_000;
const MOST = 30_000;

/** How long to wait before the next attempt: any time up to a bound that doubles with each failure, so that clients
 * that were cut together do not come back together. */
export class Backoff {
  /** What an event stream's `retry:` asked for, in milliseconds. */
  retry = 0;
  #failures = 0;

  next(atLeast = this.retry): number {
    return atLeast + Math.random() * Math.min(MOST, BASE * 2 ** this.#failures++);
  }

  reset(): void {
    this.#failures = 0;
  }
}
