// The network of one stream. It counts requests and bytes, and it can be cut like a cable.

import type { WebSocketConstructor } from "tidings";

/** The assumed length of the head of a response, which a page cannot measure. The Performance API assumes the same. */
const HEAD = 300;

const utf8 = new TextEncoder();

export class Probe {
  /** The number of requests that succeeded. */
  requests = 0;
  bytes = 0;
  /** Aborting it breaks all connections. It remains aborted while the network is unplugged. */
  #cable = new AbortController();

  get isPlugged(): boolean {
    return !this.#cable.signal.aborted;
  }

  /** Breaks all connections without a goodbye. New ones fail until {@link plug} is called. */
  unplug(reason: string): void {
    this.#cable.abort(new TypeError(reason));
  }

  plug(): void {
    this.#cable = new AbortController();
  }

  readonly #count = (bytes: number) => {
    this.bytes += bytes;
  };

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const cable = this.#cable.signal;
    const signal = init?.signal ? AbortSignal.any([cable, init.signal]) : cable;
    const response = await fetch(input, { ...init, signal });
    this.bytes += HEAD;
    if (response.ok) this.requests += 1;
    return new Response(response.body?.pipeThrough(counter(this.#count)) ?? null, response);
  };

  /** Returns the `WebTransport` class of this network. */
  get WebTransport(): typeof WebTransport {
    const probe = this;
    return class extends WebTransport {
      /** Rejects when the cable is cut. */
      readonly #cut: Promise<never>;

      constructor(url: string | URL, options?: WebTransportOptions) {
        const cable = probe.#cable.signal;
        cable.throwIfAborted();
        super(url, options);
        this.#cut = new Promise((_, reject) => {
          const cut = () => {
            reject(cable.reason);
            this.close();
          };
          const forget = () => cable.removeEventListener("abort", cut);
          cable.addEventListener("abort", cut);
          super.closed.then(forget, forget);
        });
        const opened = () => {
          probe.bytes += HEAD;
          probe.requests += 1;
        };
        this.ready.then(opened, () => {});
      }

      override get closed(): Promise<WebTransportCloseInfo> {
        return Promise.race([this.#cut, super.closed]);
      }

      override get incomingUnidirectionalStreams(): ReadableStream {
        const each = new TransformStream<ReadableStream, ReadableStream>({
          transform: (stream, out) => out.enqueue(stream.pipeThrough(counter(probe.#count))),
        });
        return super.incomingUnidirectionalStreams.pipeThrough(each);
      }
    };
  }

  /** Returns the `WebSocket` class of this network. */
  get WebSocket(): WebSocketConstructor {
    const probe = this;
    return class extends WebSocket {
      constructor(url: string | URL, protocol: string) {
        const cable = probe.#cable.signal;
        cable.throwIfAborted();
        super(url, protocol);
        const cut = () => {
          this.dispatchEvent(new CloseEvent("close", { code: 1006, reason: cable.reason.message }));
          // Later events are neither passed on nor counted.
          this.onmessage = this.onclose = null;
          this.close();
        };
        cable.addEventListener("abort", cut);
        this.addEventListener("close", () => cable.removeEventListener("abort", cut));
        const untilCut = { signal: cable };
        const opened = () => {
          probe.bytes += HEAD;
          probe.requests += 1;
        };
        this.addEventListener("open", opened, untilCut);
        this.addEventListener("message", ({ data }) => (probe.bytes += frameLength(data)), untilCut);
      }
    };
  }
}

/** Returns a stream that passes on everything and calls `count` with the number of bytes. */
function counter(count: (bytes: number) => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform: (chunk, out) => {
      count(chunk.byteLength);
      out.enqueue(chunk);
    },
  });
}

/** Returns the length of a server's frame (RFC 6455, section 5.2). */
function frameLength(text: string): number {
  const payload = utf8.encode(text).byteLength;
  return payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);
}
