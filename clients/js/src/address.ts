/** The URL of a feed: its server and its filters. */
export class Address {
  readonly url: URL;
  /** The topic, if the filters are exactly one topic. */
  readonly topic: string | undefined;

  /** @throws TypeError if it is not the URL of topics of a server. URIError if its percent-encoding is malformed. */
  constructor(given: string | URL) {
    let url;
    try {
      // A worker has no document. Its paths are relative to its script.
      url = new URL(given, globalThis.document?.baseURI ?? globalThis.location?.href);
    } catch {}
    const filters = decodeURIComponent(url?.pathname.split("/").pop() ?? "");
    if (!url || !filters || !/^(http|ws)s?:/.test(url.protocol)) {
      throw new TypeError(`"${given}" is not http://HOST/topics/NAME (a path needs a document)`);
    }
    url.protocol = url.protocol.replace("ws", "http");
    this.url = url;
    this.topic = /[*>,]/.test(filters) ? undefined : filters;
  }

  /** Returns the URL of a subscription with these query parameters, except for empty ones. */
  subscription(query: Record<string, string | undefined>): URL {
    const url = new URL(this.url);
    for (const [name, value] of Object.entries(query)) {
      if (value) url.searchParams.set(name, value);
    }
    return url;
  }

  /** Returns the URL of a topic, without the query of the subscription. */
  publication(topic: string): URL {
    return new URL(encodeURIComponent(topic), this.url);
  }
}
