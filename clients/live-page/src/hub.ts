// What the hub says of itself: its transports, its demo topic, and its clock.

/** The answer of `GET /transports`. */
export interface About {
  readonly transports: readonly string[];
  readonly demo: string | null;
  readonly heartbeat: number;
  readonly now: number;
}

const ASKED = 5;

/** Milliseconds since 1970 by this device, finer than `Date.now()`. */
const local = () => performance.timeOrigin + performance.now();

/** How far two clocks run apart, at most: 100 microseconds a second. */
const DRIFT = 1e-4;

/** The hub's clock as this page knows it. */
export class Clock {
  #readAt = -Infinity;
  /** How far the hub's clock is ahead of this device's, in milliseconds. */
  ahead = 0;
  /** The reading is right to within so many milliseconds, half of the fastest round trip. */
  precision = Infinity;

  /** Milliseconds since 1970, as the hub counts them. */
  now(): number {
    return local() + this.ahead;
  }

  /** Asks a few times and believes the fastest round trip: the others have waited somewhere, and one cannot know
   * whether on the way there or back. A reading from before stands while it is still the better one. */
  async read(): Promise<About> {
    let about: About | undefined;
    for (let asked = 0; asked < ASKED; asked += 1) {
      const before = local();
      const response = await fetch("transports", { cache: "no-store" });
      const after = local();
      if (!response.ok) throw new Error(`the hub answered ${response.status}`);
      about = (await response.json()) as About;
      const precision = (after - before) / 2;
      if (precision > this.precision + (after - this.#readAt) * DRIFT) continue;
      this.precision = precision;
      this.ahead = about.now - (before + after) / 2;
      this.#readAt = after;
    }
    return about!;
  }
}

/** The hub's words for a topic that is none, or not for this page. */
export class Refused extends Error {}

/** Where the stream stands. All transports begin there, so that their counts can be held against each other.
 * `undefined` where the hub is only not able to say at present. */
export async function position(url: URL): Promise<string | undefined> {
  const response = await fetch(url, { cache: "no-store" });
  if (response.ok) return (await response.json()).cursor;
  const { error } = await response.json().catch(() => ({}));
  if ([400, 401, 403].includes(response.status) && error) throw new Refused(error.message);
  return undefined;
}

/** Where `topic` is published and read, from wherever the page is mounted. */
export function resource(topic: string): URL {
  // `'` is no danger to a URL, but it is to the shell command that shows this one.
  const path = encodeURIComponent(topic).replaceAll("%2C", ",").replaceAll("'", "%27");
  return new URL(`topics/${path}`, document.baseURI);
}
