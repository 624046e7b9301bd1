/**
 * WebTransport for a feed, as a separate import. It is experimental: the standard is a draft.
 *
 * ```ts
 * import { tidings } from "tidings";
 * import { webTransport } from "tidings/webtransport";
 *
 * const feed = tidings("/topics/orders.*", { transports: [webTransport(), "websocket", "sse", "long-polling"] });
 * ```
 *
 * @module
 */
import { closed, goodbye, Rejection } from "./ending.js";
import type { Opening } from "./transport.js";
import type { SeparateTransport } from "./types.js";

export type { SeparateTransport } from "./types.js";

/** The options of {@link webTransport}. `serverCertificateHashes` and the others are passed to `WebTransport`. */
export interface Settings extends WebTransportOptions {
  /** The UDP port of the server. Default: the port in the URL of the feed. */
  port?: number;
  /** The `WebTransport` to use. Default: the global one. If there is none, the feed skips this transport. */
  WebTransport?: typeof globalThis.WebTransport;
}

/** Returns a transport for the option `transports` of a feed. */
export function webTransport(settings: Settings = {}): SeparateTransport {
  const { WebTransport = globalThis.WebTransport } = settings;
  return { name: "webtransport", open: WebTransport ? (opening) => read(opening, settings, WebTransport) : null };
}

/** Reads a session, whose one stream has the messages of the WebSocket subprotocol `tidings.v1` as lines. */
async function read(
  { url, token, signal, receive, room }: Opening,
  { port, WebTransport: _, ...options }: Settings,
  WebTransport: typeof globalThis.WebTransport,
): Promise<void> {
  // A page cannot set a header here (RFC 6750, section 2.3).
  const address = url({ transport: "", access_token: token });
  address.protocol = "https:";
  address.hash = "";
  if (port) address.port = `${port}`;
  const session = new WebTransport(address.href, options);
  signal.addEventListener("abort", () => session.close());
  // The reason of its end, also if it cannot be opened.
  const ended = session.closed.then(({ closeCode = 0, reason = "" }) => ending(closeCode, reason));
  // They are awaited later or never.
  for (const promise of [ended, session.ready]) promise.catch(() => {});

  const reader = await firstStream(session);
  const decoder = new TextDecoder();
  /** The incomplete last line. */
  let rest = "";
  for (;;) {
    const chunk = await reader?.read().catch(() => undefined);
    if (!chunk || chunk.done) break;
    const lines = (rest + decoder.decode(chunk.value, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      await room();
      if (signal.aborted) return;
      const frame = JSON.parse(line);
      // Before `receive`, because the connection is not open if the first line is a goodbye.
      if (frame.goodbye) throw goodbye(frame.goodbye);
      receive(frame);
    }
    // A part of a long line is also a sign of life.
    if (rest) receive({});
  }
  // The server closes the session after the stream. If it does not, the silence is noticed.
  throw await ended;
}

/** Returns a reader of the first stream of the server, or `undefined` if the session ends before. */
async function firstStream(session: WebTransport): Promise<ReadableStreamDefaultReader<Uint8Array> | undefined> {
  const streams = session.incomingUnidirectionalStreams.getReader();
  const { value } = await streams.read().catch(() => ({ value: undefined }));
  return value?.getReader();
}

/** Returns a close code as a rejection: an HTTP status with `CODE: message` as its reason, or a code of a WebSocket. */
function ending(code: number, reason: string): Rejection {
  if (code < 400 || code > 599) return closed(code, reason);
  const [, name, message = reason] = /^(\w+): (.*)/s.exec(reason) ?? [];
  return new Rejection(code, name, message || undefined);
}
