// Requests to the server, and its clock.

/** The response of `GET /transports`. */
interface About {
  readonly transports: readonly string[];
  readonly demo: string | null;
  readonly now: number;
}

const READINGS = 5;

/** Returns milliseconds since 1970 by this device, finer than `Date.now()`. */
const local = () => performance.timeOrigin + performance.now();

/** The server's clock, as this page has read it. */
export class Clock {
  /** How far the server's clock is ahead of this device's, in milliseconds. */
  #ahead = 0;
  /** The reading is correct to within this many milliseconds: half of its round trip. */
  precision = Infinity;

  /** Returns milliseconds since 1970 by the server's clock. */
  now(): number {
    return local() + this.#ahead;
  }

  /** Reads the clock a few times and keeps the fastest round trip. */
  async read(): Promise<About> {
    const readings = [];
    for (let n = 0; n < READINGS; n += 1) {
      const before = local();
      const about: About = await request("transports");
      const precision = (local() - before) / 2;
      readings.push({ about, precision, ahead: about.now - (before + precision) });
    }
    readings.sort((one, other) => one.precision - other.precision);
    const { about, precision, ahead } = readings[0]!;
    this.precision = precision;
    this.#ahead = ahead;
    return about;
  }
}

/** Returns the server's answer. Throws an error with a message for users if there is none, or if it is a rejection. */
export async function request(url: string | URL, init?: RequestInit): Promise<any> {
  const response = await fetch(url, { cache: "no-store", ...init }).catch(() => {
    throw new Error("the server does not answer");
  });
  // A proxy whose server is away may answer with something else than JSON.
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error?.message ?? `the server answered ${response.status}`);
  return answer;
}

/** Returns the URL at which `topic` is published and read, whatever path the page has. */
export function resource(topic: string): URL {
  // `'` is harmless in a URL but would end the quotes of the shell command.
  return new URL(`topics/${encodeURIComponent(topic).replaceAll("'", "%27")}`, document.baseURI);
}
