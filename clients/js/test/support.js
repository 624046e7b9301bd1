/** A hub of the test's own, spoken to through the fetch and WebSocket that a feed is given; and time that the test moves. */
import { mock } from "node:test";
import { tidings } from "../dist/index.js";

/** Of the present test. */
const feeds = [];

/** Lets everything happen that waits for nothing but its turn. */
export async function settle() {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** From here to the end of the test, time passes by `pass` only, and the jitter of a wait is `random` of its bound. */
export function ownTime(test, random = 1) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  mock.method(Math, "random", () => random);
  // A clock of its own: that of the day may be set.
  const { now } = Date;
  mock.method(performance, "now", () => now() - 1_000_000);
  test.after(async () => {
    // In the time in which they began: what it has for a timer, another could not clear.
    for (const feed of feeds.splice(0)) feed.close();
    await settle();
    mock.timers.reset();
    mock.restoreAll();
  });
}

export async function pass(milliseconds) {
  await settle();
  mock.timers.tick(milliseconds);
  await settle();
}

/** What a feed asked its hub, in order, and how the test answers. */
export class Hub {
  requests = [];
  sockets = [];
  /** Whether WebSockets come to be open. */
  upgrades = true;

  fetch = (url, init) =>
    new Promise((resolve, reject) => {
      init.signal.addEventListener("abort", () => reject(init.signal.reason));
      this.requests.push({ url: new URL(url), init, answer: resolve, fail: () => reject(new TypeError("network")) });
    });

  get WebSocket() {
    const hub = this;
    return class {
      constructor(url, protocol) {
        this.url = new URL(url);
        this.protocol = protocol;
        hub.sockets.push(this);
        queueMicrotask(() => (hub.upgrades ? this.onopen() : this.end(1006)));
      }
      say(frame) {
        this.onmessage({ data: JSON.stringify(frame) });
      }
      end(code, reason = "") {
        // As `ws` does it: without a listener this throws.
        if (code === 1006) this.onerror({ type: "error" });
        this.onclose({ code, reason });
      }
      close() {
        this.isClosed = true;
      }
    };
  }

  get request() {
    return this.requests.at(-1);
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** A feed of this hub, and everything that it tells. */
  feed(test, options = {}, url = "http://hub/topics/orders.new") {
    const feed = tidings(url, { fetch: this.fetch, WebSocket: this.WebSocket, ...options });
    const told = { notifications: [], gaps: [], states: [] };
    feed.on("notification", ({ id }) => told.notifications.push(id));
    feed.on("gap", (gap) => told.gaps.push(gap));
    feed.on("state", (state) => told.states.push(state));
    feeds.push(feed);
    test.after(() => feed.close());
    return { feed, told };
  }
}

/** An answer that goes on until the test ends it. */
export function stream(type = "text/event-stream") {
  let controller;
  const body = new ReadableStream({ start: (given) => (controller = given) });
  const encoder = new TextEncoder();
  return {
    response: new Response(body, { headers: { "content-type": type } }),
    say: (text) => controller.enqueue(encoder.encode(text)),
    end: () => controller.close(),
    cut: () => controller.error(new TypeError("network")),
  };
}

export function json(value, status = 200, headers = {}) {
  return Response.json(value, { status, headers });
}

export function rejection(status, code, headers) {
  return json({ error: { code, message: `it is ${code}` } }, status, headers);
}
