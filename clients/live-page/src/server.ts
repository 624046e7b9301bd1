// Requests to the server, and its clock.

/** The response of `GET /transports`. */
export interface About {
  readonly transports: readonly string[];
  /** The port of WebTransport, and the hashes of a certificate that a browser accepts only by its hash, in base64. */
  readonly webtransport?: { readonly port: number; readonly hashes: readonly string[] };
  readonly demo: string | null;
  readonly now: number;
}

const READINGS = 5;

/** Returns milliseconds since 1970 by this device, finer than `Date.now()`. */
const local = () => performance.timeOrigin + performance.now();

/** The server's clock. */
export class Clock {
  /** The difference of the server's clock to that of this device, in milliseconds. Positive if the server is ahead. */
  #ahead = 0;
  /** The maximum error of the reading in milliseconds, which is half of its round trip. */
  precision = Infinity;

  /** Returns milliseconds since 1970 by the server's clock. */
  now(): number {
    return local() + this.#ahead;
  }

  /** Reads the clock a few times, keeps the reading with the fastest round trip, and returns the response. */
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

/** Returns the JSON of the response. Throws an error with a message for users if there is no response or a rejection. */
export async function request(url: string | URL, init?: RequestInit): Promise<any> {
  const response = await fetch(url, { cache: "no-store", ...init }).catch(() => {
    throw new Error("the server does not respond");
  });
  // The error of a proxy may not be JSON.
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error?.message ?? `the server responded with ${response.status}`);
  return body;
}

/** Returns the version of HTTP by which the page was loaded, or an empty text if it is not known. */
export function httpVersion(): string {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  // The names of ALPN (RFC 7301).
  const name = page?.nextHopProtocol ?? "";
  return name.replace(/^h(?=\d)/, "http/").toUpperCase();
}

/** Returns the URL of `topic` for publishing and subscribing, relative to the path of the page. */
export function resource(topic: string): URL {
  // `'` is valid in a URL but would end the quotes of the shell command.
  return new URL(`topics/${encodeURIComponent(topic).replaceAll("'", "%27")}`, document.baseURI);
}
