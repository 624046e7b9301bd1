/** Where a feed's hub is, and what of it. */
export class Address {
  readonly #url: URL;
  /** The topic where the filters are exactly one. */
  readonly topic: string | undefined;

  /** @throws TypeError where it is no URL of a hub's topics; URIError where its escapes are broken. */
  constructor(url: string | URL) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("ws", "http");
    const filters = decodeURIComponent(this.#url.pathname.split("/").pop()!);
    if (!filters || !/^https?:$/.test(this.#url.protocol)) throw new TypeError(`"${url}" is no topic of a hub`);
    this.topic = /[*>,]/.test(filters) ? undefined : filters;
  }

  get origin(): string {
    return this.#url.origin;
  }

  /** The subscription, with these parameters of the query where they are there. */
  subscription(query: Record<string, string | undefined>): URL {
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  publication(topic: string): URL {
    const url = new URL(encodeURIComponent(topic), this.#url);
    url.search = "";
    return url;
  }
}
