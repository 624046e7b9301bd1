/**
 * The client of a tidings hub.
 *
 * ```ts
 * import { tidings } from "tidings";
 *
 * const feed = tidings("/topics/orders.*");
 * feed.on("gap", (gap) => console.warn("missed", gap.missed));
 * for await (const { topic, data } of feed) console.log(topic, data);
 * ```
 *
 * The path of a notification: a transport (`websocket.ts`, `sse.ts`, `long-polling.ts`) reads it off the wire,
 * `line.ts` keeps one connection alive and the position right, `feed.ts` hands it to the reader.
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
  State,
  TransportName,
  WebSocketConstructor,
  WebSocketLike,
} from "./types.js";

/**
 * Subscribes to `url`, for example `/topics/orders.*`: in a page relative to it, elsewhere absolute.
 *
 * It connects once the code that calls it has run, so listeners that are added at once hear everything.
 *
 * @throws TypeError where the URL or an option cannot be used, URIError where the URL's escapes are broken.
 */
export function tidings(url: string | URL, options?: Options): Feed;
export function tidings<T>(url: string | URL, options: Options<T> & Required<Pick<Options<T>, "decode">>): Feed<T>;
export function tidings(url: string | URL, options: Options = {}): Feed {
  return new TidingsFeed(url, options);
}
