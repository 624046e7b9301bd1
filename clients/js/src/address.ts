/** Where a feed's hub is, and what of it. */
export class Address {
  readonly url: URL;
  /** The topic where the filters are exactly one. */
  readonly topic: string | undefined;

  /** @throws TypeError if it is not the URL of a hub's topics; URIError if its escapes are broken. */
  constructor(given: string | URL) {
    let url;
    try {
      // A worker has no document; its paths are relative to its script.
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

  /** The subscription, with these parameters of the query, except for empty ones. */
  subscription(query: Record<string, string | undefined>): URL {
    const url = new URL(this.url);
    for (const [name, value] of Object.entries(query)) {
      if (value) url.searchParams.set(name, value);
    }
    return url;
  }

  /** Returns the address of the topic, without the query of the subscription. */
  publication(topic: string): URL {
    return new URL(encodeURIComponent(topic), this.url);
  }
}
