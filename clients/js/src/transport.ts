import type { Gap, Notification, WebSocketConstructor } from "./types.js";

/** How long an opening or a publish may take, in milliseconds, where no option says it. */
export const OPEN_TIMEOUT = 10_000;

/** What a connection needs to be opened. */
export interface Opening {
  /** The subscription with its position as of now, and these further parameters. */
  url(query?: Record<string, string | undefined>): URL;
  readonly token: string | undefined;
  /** The feed's topic where it is exactly one. */
  readonly topic: string | undefined;
  /**
   * How long a poll is held, in seconds, and how many were cut while they were held, one after the other. It outlives
   * the connection.
   */
  readonly polls: { hold: number; cuts: number };
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
  readonly WebSocket: WebSocketConstructor | undefined;
}

/** Who hears what a connection brings, in its order. */
export interface Ear {
  /** A sign of life; the next one is due within `ping` milliseconds, where that is known. */
  alive(ping?: number): void;
  /** Everything up to this id was told. */
  position(id: string): void;
  notification(notification: Notification): void;
  /** To be waited for before a notification, by a transport that can make its hub wait; `undefined`: there is room. */
  room(): Promise<void> | undefined;
  gap(gap: Gap): void;
  /** The hub asks to come back after so many milliseconds. */
  retry(after: number): void;
}

/**
 * Opens one connection and reads it to its end. It returns when the hub said goodbye, and throws in every
 * other case: a {@link Refusal}, or whatever broke. Once the signal is aborted nobody hears it any more.
 */
export type Transport = (opening: Opening, ear: Ear) => Promise<void>;

/** A notification as the hub writes it in JSON. */
export interface Told {
  id: string;
  topic: string;
  data?: string;
  data_base64?: string;
}

/** RFC 6750, section 2.1. */
export function authorization(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

export function notification({ id, topic, data, data_base64 }: Told): Notification {
  return { id, topic, data: data_base64 === undefined ? (data ?? "") : bytes(data_base64) };
}

export function bytes(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
