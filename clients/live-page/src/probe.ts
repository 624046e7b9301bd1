// The network of one stream: it counts what arrives, and it can be cut like a cable.

import type { WebSocketConstructor, WebSocketLike } from "tidings";

/** Bytes for the head of each response, which a page cannot measure. The Performance API assumes the same. */
const HEAD = 300;

const utf8 = new TextEncoder();

type Handler = ((event: any) => void) | null;

export class Probe {
  /** Requests that succeeded. */
  requests = 0;
  bytes = 0;
  /** Aborting it breaks all connections. It stays aborted while the network is unplugged. */
  #cable = new AbortController();

  get isPlugged(): boolean {
    return !this.#cable.signal.aborted;
  }

  /** Breaks all connections without a goodbye. No other one can be opened until {@link plug}. */
  unplug(reason: string): void {
    this.#cable.abort(new TypeError(reason));
  }

  plug(): void {
    this.#cable = new AbortController();
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const cable = this.#cable.signal;
    const signal = init?.signal ? AbortSignal.any([cable, init.signal]) : cable;
    const response = await fetch(input, { ...init, signal });
    this.bytes += HEAD;
    if (response.ok) this.requests += 1;
    const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, out) => {
        this.bytes += chunk.byteLength;
        out.enqueue(chunk);
      },
    });
    return new Response(response.body?.pipeThrough(counter) ?? null, response);
  };

  /** Returns the `WebSocket` class of this network. It has as much as the client uses. */
  get WebSocket(): WebSocketConstructor {
    const probe = this;
    return class implements WebSocketLike {
      protocol = "";
      onopen: Handler = null;
      onmessage: Handler = null;
      onerror: Handler = null;
      onclose: Handler = null;
      readonly #socket: WebSocket | undefined;

      constructor(url: string | URL, protocol: string) {
        const cable = probe.#cable.signal;
        const fail = () => this.onclose?.({ code: 1006, reason: cable.reason.message });
        if (cable.aborted) {
          setTimeout(fail);
          return;
        }
        const socket = (this.#socket = new WebSocket(url, protocol));
        // After a cut, nothing that still arrives is passed on.
        const ended = new AbortController();
        const on = (target: EventTarget, type: string, handle: (event: any) => void) =>
          target.addEventListener(type, handle, { signal: ended.signal });
        on(cable, "abort", () => {
          ended.abort();
          socket.close();
          fail();
        });
        on(socket, "open", (event) => {
          probe.bytes += HEAD;
          probe.requests += 1;
          this.protocol = socket.protocol;
          this.onopen?.(event);
        });
        on(socket, "message", (event) => {
          probe.bytes += frameLength(event.data);
          this.onmessage?.(event);
        });
        on(socket, "close", (event) => {
          ended.abort();
          this.onclose?.(event);
        });
      }

      close(): void {
        this.#socket?.close();
      }
    };
  }
}

/** Returns the length of a server's frame (RFC 6455, section 5.2). */
function frameLength(data: string | ArrayBuffer): number {
  const payload = typeof data === "string" ? utf8.encode(data).byteLength : data.byteLength;
  return payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);
}
