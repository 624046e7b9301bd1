import { until } from "./patience.js";

/**
 * A feed of the client in the page, and everything that it has emitted. In `log`, a notification is its data and a gap
 * is an object. The token callback returns the items of `tokens`, the next one each time that the server has rejected a
 * token.
 */
export async function openFeed(page, url, { tokens, ...options } = {}) {
  await until(page, () => window.tidings);
  const handle = await page.evaluateHandle(
    ([url, options, tokens]) => {
      let rejections = 0;
      if (tokens) options.token = (rejected) => tokens[rejected ? ++rejections : rejections];
      const feed = window.tidings(url, options);
      const told = { feed, log: [] };
      feed.on("gap", (gap) => told.log.push({ gap }));
      feed.on("notification", ({ data }) => told.log.push(data));
      return told;
    },
    [url, options, tokens],
  );
  return new PageFeed(page, handle);
}

class PageFeed {
  #page;
  #handle;

  constructor(page, handle) {
    this.#page = page;
    this.#handle = handle;
  }

  /** Waits until it is open by this transport. */
  async open(transport) {
    await until(
      this.#page,
      ([{ feed }, transport]) => feed.state.name === "open" && feed.state.transport === transport,
      [this.#handle, transport],
    );
  }

  async waiting() {
    await until(this.#page, ({ feed }) => feed.state.name === "waiting", this.#handle);
  }

  /** Returns everything that it has emitted, once there are `count` items. */
  async log(count) {
    await until(this.#page, ([{ log }, count]) => log.length >= count, [this.#handle, count]);
    return this.#handle.evaluate(({ log }) => log);
  }

  publish(data) {
    return this.#handle.evaluate(({ feed }, data) => feed.publish(data), data);
  }
}
