// What the server reports about itself, its clock, and the topic's current position.

/** The response of `GET /transports`. */
export interface About {
  readonly transports: readonly string[];
  readonly demo: string | null;
  readonly now: number;
}

const READINGS = 5;

/** How far two clocks drift apart at most, in seconds per second. */
const DRIFT = 1e-4;

/** Returns milliseconds since 1970 by this device, finer than `Date.now()`. */
const local = () => performance.timeOrigin + performance.now();

/** The server's clock, as this page has read it. */
export class Clock {
  #readAt = -Infinity;
  /** How far the server's clock is ahead of this device's, in milliseconds. */
  #ahead = 0;
  /** The reading is correct to within this many milliseconds: half of the fastest round trip. */
  precision = Infinity;

  /** Returns milliseconds since 1970 by the server's clock. */
  now(): number {
    return local() + this.#ahead;
  }

  /** Reads the clock a few times and keeps the fastest round trip. An earlier reading stays if it is still better. */
  async read(): Promise<About> {
    let about: About | undefined;
    for (let n = 0; n < READINGS; n += 1) {
      const before = local();
      const response = await fetch("transports", { cache: "no-store" });
      const after = local();
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      about = (await response.json()) as About;
      const precision = (after - before) / 2;
      if (precision > this.precision + (after - this.#readAt) * DRIFT) continue;
      this.precision = precision;
      this.#ahead = about.now - (before + after) / 2;
      this.#readAt = after;
    }
    return about!;
  }
}

/** Returns the topic's current position. All streams begin there, so that their counts can be compared. */
export async function position(url: URL): Promise<string> {
  const response = await fetch(url, { cache: "no-store" });
  const { cursor, error } = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(error?.message ?? `the server answered ${response.status}`);
  return cursor;
}

/** Returns the URL at which `topic` is published and read, whatever path the page has. */
export function resource(topic: string): URL {
  // `'` is harmless in a URL but would end the quotes of the shell command.
  const path = encodeURIComponent(topic).replaceAll("%2C", ",").replaceAll("'", "%27");
  return new URL(`topics/${path}`, document.baseURI);
}
