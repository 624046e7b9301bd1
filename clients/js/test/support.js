/** A server that is controlled by the test, through the fetch and the WebSocket of a feed, and a clock that the test moves. */
import { mock } from "node:test";
import { tidings } from "../dist/index.js";

/** The feeds of the current test. */
const feeds = [];

/** Runs everything that is ready to run. */
export async function settle() {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** Until the end of the test, only `pass` moves the clock, and the jitter of a wait is the part `random` of its bound. */
export function ownTime(test, random = 1) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  mock.method(Math, "random", () => random);
  // A monotonic clock, separate from the time of day, which may be set.
  const { now } = Date;
  mock.method(performance, "now", () => now() - 1_000_000);
  test.after(async () => {
    // Closed before the clock is restored, because the restored functions could not clear the timers of the feeds.
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

/** The requests of a feed in order, which the test answers. */
export class Hub {
  requests = [];
  sockets = [];
  /** `true` if WebSockets open. */
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
        // Like `ws`, this throws without a listener.
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

  /** Opens a feed of this server and records everything that it emits. */
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

/** Returns a response that continues until the test ends it. */
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
