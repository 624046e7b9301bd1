import { until } from "./patience.js";

/** Chromium's `EventSource` in the page, and all its events. */
export async function openEventSource(page, url) {
  const handle = await page.evaluateHandle((url) => {
    const source = new EventSource(url);
    const events = [];
    const errors = [];
    for (const type of ["message", "binary", "gap", "goodbye", "order.created"]) {
      source.addEventListener(type, ({ data, lastEventId }) => events.push({ type, data, lastEventId }));
    }
    source.onerror = () => errors.push(source.readyState);
    return { source, events, errors };
  }, url);
  return new Stream(page, handle);
}

class Stream {
  #page;
  #handle;

  constructor(page, handle) {
    this.#page = page;
    this.#handle = handle;
  }

  async opened() {
    await until(this.#page, ({ source }) => source.readyState === EventSource.OPEN, this.#handle);
  }

  /** Returns all events once there are `count` of them. */
  async events(count) {
    await until(this.#page, ([{ events }, count]) => events.length >= count, [this.#handle, count]);
    return this.#handle.evaluate(({ events }) => events);
  }

  /** Returns the state after the first error: `"connecting"` or `"closed"`. */
  async firstError() {
    await until(this.#page, ({ errors }) => errors.length > 0, this.#handle);
    const state = await this.#handle.evaluate(({ errors }) => errors[0]);
    return ["connecting", "open", "closed"][state];
  }

  close() {
    return this.#handle.evaluate(({ source }) => source.close());
  }
}
