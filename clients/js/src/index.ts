/**
 * The client of a tidings server.
 *
 * ```ts
 * import { tidings } from "tidings";
 *
 * const feed = tidings("/topics/orders.*");
 * feed.on("gap", (gap) => console.warn("missed", gap.missed));
 * for await (const { topic, data } of feed) console.log(topic, data);
 * ```
 *
 * The path of a notification: a transport (`websocket.ts`, `sse.ts`, `long-polling.ts`, or the separate import
 * `webtransport.ts`) receives it, `line.ts` keeps a connection open and updates the position, and `feed.ts` passes it to
 * the reader.
 *
 * @module
 */
import { TidingsFeed } from "./feed.js";
import type { Feed, Options, Payload } from "./types.js";

export { Rejection } from "./rejection.js";
export type {
  Events,
  Feed,
  Gap,
  Notification,
  NotificationHeaders,
  Options,
  Payload,
  PublishOptions,
  SeparateTransport,
  State,
  TransportName,
  WebSocketConstructor,
  WebSocketLike,
} from "./types.js";

/**
 * Subscribes to `url`, for example `/topics/orders.*`. In a page it may be relative, elsewhere it must be absolute.
 *
 * It connects after the calling code has run, so listeners that are added at once receive everything.
 *
 * @throws TypeError if the URL or an option is invalid. URIError if the percent-encoding of the URL is malformed.
 */
export function tidings(url: string | URL, options?: Options): Feed;
export function tidings<T>(url: string | URL, options: Options<T> & Required<Pick<Options<T>, "decode">>): Feed<T>;
export function tidings(url: string | URL, options: Options = {}): Feed {
  return new TidingsFeed(url, options);
}
