import type { Sender } from "./request.js";
import type { Gap, NotificationHeaders } from "./types.js";

/** The default time limit of an opening or a publish, in milliseconds. */
export const OPEN_TIMEOUT = 10_000;

/** A message of the server, in the form of the WebSocket subprotocol `tidings.v1`, also by the other transports. */
export interface Frame {
  /** The id of a notification. Without a topic, the position up to which everything was sent. */
  readonly id?: string | undefined;
  readonly topic?: string | undefined;
  readonly headers?: NotificationHeaders;
  readonly data?: string | undefined;
  readonly data_base64?: string;
  readonly gap?: Gap;
  /** The next frame is due within this many milliseconds. */
  readonly ping?: number | undefined;
  /** The reconnection time of an event stream in milliseconds. */
  readonly retry?: number | undefined;
}

/** Everything that a transport needs to open and read a connection. */
export interface Opening extends Sender {
  /** Returns the URL of the subscription with its current position and these additional parameters. */
  url(query?: Record<string, string | undefined>): URL;
  /** The topic of the feed, if it is exactly one. */
  readonly topic: string | undefined;
  /**
   * How long a poll is held, in seconds, and how many polls in a row were cut while they were held. It is kept across
   * connections.
   */
  readonly polls: { hold: number; cuts: number };
  /** Called with each frame in order. Each is a sign of life. */
  receive(frame: Frame): void;
  /** Awaited before a notification by transports that can make the server wait. `undefined` if there is space. */
  room(): Promise<void> | undefined;
}

/**
 * Opens one connection, reads it to its end, and throws the reason of the end: a {@link Rejection} or another error.
 * The outcome is ignored once the signal is aborted.
 */
export type Transport = (opening: Opening) => Promise<unknown>;
