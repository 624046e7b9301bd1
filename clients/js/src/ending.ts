// What a response, a goodbye or a close code means for a feed.

import { type Fault, Rejection } from "./rejection.js";

export { Rejection };

const MOST_RETRY_AFTER = 3_600_000;
/** The close codes after which a client should not reconnect, and those after which it should. */
const ENDS = /^100[02379]$/;
const LATER = /^10(01|1[13])$/;

/** Returns `true` if the same request would get the same response, by the table in docs/protocol.md. */
export function isFinal(status: number | undefined): boolean {
  return /^(204|3|4(?!08|25|29)|50[15])/.test(String(status));
}

/** Returns `true` if the server responded that it cannot serve now. Another transport would not help. */
export function isBusy({ status, code }: Fault): boolean {
  return !!code && (status === 429 || status === 503);
}

/** Returns a goodbye as a rejection with the same meaning. After `not_allowed`, a fresh token may be allowed. */
export function goodbye({ reason, message }: { reason: string; message: string }, retry?: number): Rejection {
  const isEnd = /^(normal|protocol|unsupported|bad_utf8|too_big)$/.test(reason);
  return new Rejection(reason === "not_allowed" ? 401 : isEnd ? 403 : 503, reason, message, retry);
}

/** Returns the close code of a WebSocket or of a WebTransport session as a rejection with the same meaning. */
export function closed(code: number, reason: string): Rejection {
  // 1008 is `not_allowed`: a fresh token may be allowed.
  const text = String(code);
  const status = ENDS.test(text) ? 403 : LATER.test(text) ? 503 : code === 1008 ? 401 : 0;
  return new Rejection(status, text, reason || `closed with ${code}`);
}

/** Reads an error response. */
export async function rejection(response: Response): Promise<Rejection> {
  const { status, headers } = response;
  const { error } = await response.json().catch(() => ({}));
  // Other servers use the same form, but with numbers as codes.
  const code = typeof error?.code === "string" ? error.code : undefined;
  return new Rejection(status, code, error?.message, milliseconds(headers.get("retry-after")));
}

/** Parses `Retry-After`, which is seconds or a date (RFC 9110, section 10.2.3). */
function milliseconds(after: string | null): number | undefined {
  const wait = Number(after) * 1000 || Date.parse(after!) - Date.now();
  return wait >= 0 ? Math.min(wait, MOST_RETRY_AFTER) : undefined;
}
