const MOST_RETRY_AFTER = 3_600_000;

/** An error response of the server or of a proxy, or a goodbye of the server. */
export class Rejection extends Error {
  override readonly name = "Rejection";

  /**
   * @param status the HTTP status. A goodbye has 503 if a client should reconnect, 401 if it is `not_allowed`, and
   *   otherwise 403. 0 if a WebSocket broke
   * @param code the server's error code, or the close code of a WebSocket. `undefined` if the server has not responded
   * @param retryAfter milliseconds to wait before the next attempt, if the response contains them
   */
  constructor(
    readonly status: number,
    readonly code?: string,
    message = `HTTP status ${status}`,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Any error. Only a rejection has a status. */
export type Fault = Error & Partial<Pick<Rejection, "status" | "code" | "retryAfter">>;

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
