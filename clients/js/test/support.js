/** A server that is controlled by the test, through the fetch, the WebSocket and the WebTransport of a feed, and a clock that the test
 * moves. */
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
  sessions = [];
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

  get WebTransport() {
    const hub = this;
    return class extends Session {
      constructor(url, options) {
        super(url, options);
        hub.sessions.push(this);
      }
    };
  }

  get request() {
    return this.requests.at(-1);
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get session() {
    return this.sessions.at(-1);
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

/** A WebTransport session. As in browsers, the streams of a session that ends break. */
class Session {
  isClosed = false;
  #streams;
  #stream;
  #encoder = new TextEncoder();
  #settle = {};

  constructor(url, options) {
    this.url = new URL(url);
    this.options = options;
    const promise = (name) => new Promise((resolve, reject) => (this.#settle[name] = { resolve, reject }));
    this.ready = promise("ready");
    this.closed = promise("closed");
    this.incomingUnidirectionalStreams = new ReadableStream({ start: (streams) => (this.#streams = streams) });
  }
  /** Sends bytes or text on the one stream of the server. */
  send(bytes) {
    if (!this.#stream) {
      this.#settle.ready.resolve();
      const start = (stream) => (this.#stream = stream);
      this.readable = new ReadableStream({ start }, new ByteLengthQueuingStrategy({ highWaterMark: 100 }));
      this.#streams.enqueue(this.readable);
    }
    this.#stream.enqueue(typeof bytes === "string" ? this.#encoder.encode(bytes) : bytes);
  }
  say(...frames) {
    this.send(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(""));
  }
  /** How many bytes fit until the stream waits for its reader. */
  get room() {
    return this.#stream.desiredSize;
  }
  /** Ends the stream, but not the session. */
  finish() {
    this.#stream.close();
  }
  /** Ends the session with a close code. */
  end(closeCode, reason = "") {
    this.#settle.ready.resolve();
    this.#break(new Error("the session was closed"));
    this.#settle.closed.resolve({ closeCode, reason });
  }
  /** Breaks the session, or fails to open it. */
  fail(message = "Opening handshake failed.") {
    const error = new Error(message);
    this.#settle.ready.reject(error);
    this.#break(error);
    this.#settle.closed.reject(error);
  }
  close() {
    if (!this.isClosed) this.end(0);
  }
  #break(error) {
    this.isClosed = true;
    for (const stream of [this.#streams, this.#stream]) stream?.error(error);
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
