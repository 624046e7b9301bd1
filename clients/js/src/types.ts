/** The transports, by their names in `?transport=`. WebTransport is a {@link SeparateTransport}. */
export type TransportName = "websocket" | "sse" | "long-polling" | "webtransport";

/** A transport that is a separate import, as `webTransport()` of `tidings/webtransport` returns it. */
export interface SeparateTransport {
  readonly name: "webtransport";
  /** Opens a connection, for the feed only. `null` if this environment does not have the transport. */
  readonly open: ((opening: any) => Promise<unknown>) | null;
}

/** A payload: text, or the bytes of a binary notification. */
export type Payload = string | Uint8Array;

/** Headers of a notification. Headers that the publisher has not set are missing. */
export interface NotificationHeaders {
  /** The name of the event: 1 to 255 visible ASCII characters. */
  readonly event?: string;
  /** The media type of the payload. */
  readonly content_type?: string;
  /** The time of publish by the publisher's clock, in milliseconds since the Unix epoch. */
  readonly time?: number;
  /** The trace of the notification (W3C Trace Context, version 00). */
  readonly traceparent?: string;
  /** Vendor-specific data of the trace, at most 512 bytes. Ignored without a `traceparent`. */
  readonly tracestate?: string;
}

/** A published notification. */
export interface Notification<T = Payload> {
  /** The id, `EPOCH-SEQ`, which is also the position after it. To resume later, pass it as {@link Options.after}. */
  readonly id: string;
  readonly topic: string;
  /** The payload, or the result of {@link Options.decode}. */
  readonly data: T;
  readonly headers: NotificationHeaders;
}

/** The topic and the headers of a publish. */
export interface PublishOptions extends NotificationHeaders {
  /** The topic. Required if the feed's filters are not one topic. */
  readonly topic?: string | undefined;
}

/** Notifications that the server no longer has, because this feed was disconnected for too long or too slow. */
export interface Gap {
  /** The last position before the gap. */
  readonly after: string;
  /** The notifications after this position are delivered. */
  readonly resume: string;
  /** The number of missing notifications, or `null` if it is unknown. */
  readonly missed: number | null;
  /** The position was too old (`evicted`) or of another history of the server (`epoch`), or the feed was too slow (`lagged`). */
  readonly reason: "evicted" | "epoch" | "lagged";
}

/** The state of a feed. */
export type State =
  | { readonly name: "connecting"; readonly transport: TransportName }
  | { readonly name: "open"; readonly transport: TransportName }
  /** It waits for the next attempt, at most until `until` (milliseconds since 1970). */
  | { readonly name: "waiting"; readonly until: number; readonly reason: string }
  /** It has given up the connection for a while: until the reader of a full buffer has caught up, or for a publish. */
  | { readonly name: "paused" }
  /** It is closed finally, after `close()` or after the rejection `error`. */
  | { readonly name: "closed"; readonly error: Error | undefined };

/** The part of a WebSocket that a feed needs. The browser's and those of `undici` and `ws` have it. */
export interface WebSocketLike {
  readonly protocol: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  close(): void;
}

export type WebSocketConstructor = new (url: string | URL, protocol: string) => WebSocketLike;

/** The options of a {@link Feed}. Every option has a default. */
export interface Options<T = Payload> {
  /** The transports to try, best first. Default: WebSocket, SSE, long-polling. WebTransport is a separate import. */
  transports?: readonly (Exclude<TransportName, "webtransport"> | SeparateTransport)[];
  /**
   * The position to begin at: after this id, at the `"earliest"` retained notification, or with the `"latest"` of each
   * topic. Default: notifications that are published from now on.
   */
  after?: string;
  /**
   * Returns a bearer token for each connection and publish. `rejected` is `true` if the server has just rejected the
   * last token with 401, or has ended its session (`not_allowed`), so that a fresh one is needed. It is sent as
   * `Authorization`, and by WebSocket and WebTransport as `?access_token=`, because pages cannot set a header there.
   */
  token?: (rejected: boolean) => string | Promise<string>;
  /**
   * Decodes a payload to `data`. If it throws, the notification is skipped and the error is written to the console.
   * Default: the payload itself.
   */
  decode?: (payload: Payload, topic: string, headers: NotificationHeaders) => T;
  /** Additional headers of each request. A WebSocket in a page sends none. */
  headers?: Record<string, string>;
  /** When requests include cookies, as for `fetch`. Default: for the origin of the page. */
  credentials?: RequestCredentials;
  /** Closes the feed when it is aborted. */
  signal?: AbortSignal;
  /** How many notifications may wait for the reader before the feed gives up the connection. Default: 1,024. */
  buffer?: number;
  /** The time limit of an opening or a publish, in milliseconds. Default: 10,000. */
  openTimeout?: number;
  /** The time on a fallback until better transports are tried again, in milliseconds. It doubles each time that they
   * fail. Default: 60,000. */
  betterAfter?: number;
  /** The `fetch` to use. Default: the global one. */
  fetch?: typeof globalThis.fetch;
  /** The `WebSocket` to use. Default: the global one. Node 20 has none, so the feed skips WebSocket there unless this is
   * set. */
  WebSocket?: WebSocketConstructor;
}

/** The events of {@link Feed.on}. */
export interface Events<T = Payload> {
  notification: Notification<T>;
  gap: Gap;
  state: State;
}

/** One stream of notifications by any transport. */
export interface Feed<T = Payload> extends AsyncIterable<Notification<T>> {
  /** Calls `listener` for each event from now on. The returned function removes the listener. */
  on<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): () => void;
  /** Removes a listener that was added by `on` with the same arguments. */
  off<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): void;
  /** Publishes, and resolves to the id once the notification is stored. A string instead of options is the topic. */
  publish(data: Payload, options?: string | PublishOptions): Promise<string>;
  /** Closes the feed finally. */
  close(): void;
  readonly state: State;
  /** The position up to which the reader has received and processed everything. `undefined` before the first connection. */
  readonly position: string | undefined;
}
