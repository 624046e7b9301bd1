/** Half of the first bound and half of the last one, in milliseconds. */
const BASE = 500;
const MOST = 15_000;

/** The wait before the next attempt. It is a random time between half of a bound and the bound, so that clients that
 * were disconnected together do not reconnect together. The bound doubles with each failure. */
export class Backoff {
  /** The reconnection time from the field `retry` of an event stream, in milliseconds. */
  retry = 0;
  #failures = 0;

  delay(atLeast = this.retry): number {
    return atLeast + (1 + Math.random()) * Math.min(MOST, BASE * 2 ** this.#failures++);
  }

  reset(): void {
    this.#failures = 0;
  }
}
