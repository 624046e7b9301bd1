/** The ways to a hub, by their names in `?transport=`. */
export type TransportName = "websocket" | "sse" | "long-polling";

/** A payload: text, or the bytes of a binary notification. */
export type Payload = string | Uint8Array;

/** Headers of a notification. Those that its publisher has not set are absent. */
export interface NotificationHeaders {
  /** The name of the event: 1 to 255 visible ASCII characters. */
  readonly event?: string;
  /** The media type of the payload. */
  readonly content_type?: string;
  /** When it was published, by the publisher's clock, in milliseconds since the Unix epoch. */
  readonly time?: number;
  /** The trace that it belongs to (W3C Trace Context, version 00). */
  readonly traceparent?: string;
  /** What vendors add to the trace, at most 512 bytes. It is left out without a `traceparent`. */
  readonly tracestate?: string;
}

/** What was published. */
export interface Notification<T = Payload> {
  /** Its identity and the position behind it, `EPOCH-SEQ`: keep it, and go on from it with {@link Options.after}. */
  readonly id: string;
  readonly topic: string;
  /** The payload, or what {@link Options.decode} made of it. */
  readonly data: T;
  readonly headers: NotificationHeaders;
}

/** Where to publish, and the headers of the notification. */
export interface PublishOptions extends NotificationHeaders {
  /** The topic. Required if the feed's filters are not one topic. */
  readonly topic?: string | undefined;
}

/** Notifications that can no longer be had: the hub keeps so many, and this feed was away for longer. */
export interface Gap {
  /** The last position before it. */
  readonly after: string;
  /** What follows this position is delivered. */
  readonly resume: string;
  /** How many are missing, where that can be known. */
  readonly missed: number | null;
  /** The position was too old; or of another history of the hub; or the feed was connected and too slow. */
  readonly reason: "evicted" | "epoch" | "lagged";
}

/** What a feed is doing. */
export type State =
  | { readonly name: "connecting"; readonly transport: TransportName }
  | { readonly name: "open"; readonly transport: TransportName }
  /** Between two attempts, at most until `until` (milliseconds since 1970). */
  | { readonly name: "waiting"; readonly until: number; readonly reason: string }
  /** The connection is given up for a while: until the reader of a full buffer has caught up, or for a publish. */
  | { readonly name: "paused" }
  /** For good: `close()` was called, or `error` says what the hub refused. */
  | { readonly name: "closed"; readonly error: Error | undefined };

/** As much of a WebSocket as a feed needs: the browser's, and those of `undici` and `ws`. */
export interface WebSocketLike {
  readonly protocol: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  close(): void;
}

export type WebSocketConstructor = new (url: string | URL, protocol: string) => WebSocketLike;

/** How to open a {@link Feed}. Every member has a default. */
export interface Options<T = Payload> {
  /** The ways to try, best first. Default: WebSocket, SSE, long-polling. */
  transports?: readonly TransportName[];
  /**
   * Where to begin: after this id, at the `"earliest"` that is kept, or with the `"latest"` that is kept of each topic.
   * Default: what is published from now on.
   */
  after?: string;
  /**
   * A bearer token for each connection and publish. `refused` is true when the hub has just refused the
   * last one with 401: fetch a fresh one then. It goes as `Authorization`, and as `?access_token=` by
   * WebSocket, where a page can set no header.
   */
  token?: (refused: boolean) => string | Promise<string>;
  /**
   * Makes `data` of a payload. If it throws, the notification is passed over and the error is written to the console.
   * Default: the payload itself.
   */
  decode?: (payload: Payload, topic: string, headers: NotificationHeaders) => T;
  /** Further headers of each request. A WebSocket in a page sends none. */
  headers?: Record<string, string>;
  /** Whether requests carry cookies, as for `fetch`. Default: to the page's own origin. */
  credentials?: RequestCredentials;
  /** Closes the feed once it is aborted. */
  signal?: AbortSignal;
  /** How many notifications may wait for their reader before the connection is given up. Default: 1,024. */
  buffer?: number;
  /** How long an opening may take, in milliseconds, before it counts as failed. Default: 10,000. */
  openTimeout?: number;
  /** After how long on a fallback the better transport is tried again, in milliseconds; doubled each time
   * that it fails. Default: 60,000. */
  betterAfter?: number;
  /** Default: the global one. */
  fetch?: typeof globalThis.fetch;
  /** Default: the global one. Node 20 has none: give one, or WebSocket is passed over. */
  WebSocket?: WebSocketConstructor;
}

/** What {@link Feed.on} tells. */
export interface Events<T = Payload> {
  notification: Notification<T>;
  gap: Gap;
  state: State;
}

/** One stream of notifications, whatever carries it. */
export interface Feed<T = Payload> extends AsyncIterable<Notification<T>> {
  /** Calls `listener` for each from now on; call what it returns to stop that. */
  on<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): () => void;
  /** Stops what `on` began with the same arguments. */
  off<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): void;
  /** Publishes, and resolves to the id once it is stored. A string in place of the options is the topic. */
  publish(data: Payload, options?: string | PublishOptions): Promise<string>;
  /** Ends it for good. */
  close(): void;
  readonly state: State;
  /** The position up to which everything was read or told; `undefined` before the first connection. */
  readonly position: string | undefined;
}
