import type { Sender } from "./request.js";
import type { Gap, NotificationHeaders } from "./types.js";

/** How long an opening or a publish may take, in milliseconds, where no option says it. */
export const OPEN_TIMEOUT = 10_000;

/** What a hub sends, as it is in a WebSocket of `tidings.v1`. The other transports bring theirs into the same form. */
export interface Frame {
  /** The id of a notification; without a topic, the position up to which everything was sent. */
  readonly id?: string | undefined;
  readonly topic?: string | undefined;
  readonly headers?: NotificationHeaders;
  readonly data?: string | undefined;
  readonly data_base64?: string;
  readonly gap?: Gap;
  /** The next frame is due within so many milliseconds. */
  readonly ping?: number | undefined;
  /** Of an event stream: come back after so many milliseconds. */
  readonly retry?: number | undefined;
}

/** What a connection needs to be opened and read. */
export interface Opening extends Sender {
  /** The subscription with its position as of now, and these further parameters. */
  url(query?: Record<string, string | undefined>): URL;
  /** The feed's topic where it is exactly one. */
  readonly topic: string | undefined;
  /**
   * How long a poll is held, in seconds, and how many were cut while they were held, one after the other. It outlives
   * the connection.
   */
  readonly polls: { hold: number; cuts: number };
  /** Takes each frame in its order; each is a sign of life. */
  hear(frame: Frame): void;
  /** To be waited for before a notification, by a transport that can make its hub wait; `undefined`: there is room. */
  room(): Promise<void> | undefined;
}

/**
 * Opens one connection and reads it to its end, which it throws: a {@link Rejection}, or whatever broke. Once the signal is
 * aborted nobody hears it any more.
 */
export type Transport = (opening: Opening) => Promise<unknown>;
