const MOST_RETRY_AFTER = 3_600_000;

/** An answer of the hub, or of a proxy before it, that is not what was asked for; or a goodbye of the hub. */
export class Rejection extends Error {
  override readonly name = "Rejection";

  /**
   * @param status of the answer; of a goodbye 503 if a client should come back, otherwise 403; 0 if a WebSocket broke
   * @param code the hub's name of the fault, or a WebSocket's close code; `undefined` if it was not the hub that answered
   * @param retryAfter milliseconds, if the answer asks for them
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

/** Any error: only a rejection has a status. */
export type Fault = Error & Partial<Pick<Rejection, "status" | "code" | "retryAfter">>;

/** Returns `true` if the same request would get the same answer: the table is in docs/protocol.md. */
export function isFinal(status: number | undefined): boolean {
  return /^(204|3|4(?!08|25|29)|50[15])/.test(String(status));
}

/** Returns `true` if the hub answered and is not able to serve at present: another transport would not help. */
export function isBusy({ status, code }: Fault): boolean {
  return !!code && (status === 429 || status === 503);
}

/** Returns what a goodbye means, as the answer that says the same. */
export function goodbye({ reason, message }: { reason: string; message: string }, retry?: number): Rejection {
  const isEnd = /^(normal|protocol|unsupported|bad_utf8|not_allowed|too_big)$/.test(reason);
  return new Rejection(isEnd ? 403 : 503, reason, message, retry);
}

/** Reads an answer other than the expected one. */
export async function rejection(response: Response): Promise<Rejection> {
  const { status, headers } = response;
  const { error } = await response.json().catch(() => ({}));
  // Others write such answers as well, with numbers for codes.
  const code = typeof error?.code === "string" ? error.code : undefined;
  return new Rejection(status, code, error?.message, milliseconds(headers.get("retry-after")));
}

/** `Retry-After` is seconds or a date (RFC 9110, section 10.2.3). */
function milliseconds(after: string | null): number | undefined {
  const wait = Number(after) * 1000 || Date.parse(after!) - Date.now();
  return wait >= 0 ? Math.min(wait, MOST_RETRY_AFTER) : undefined;
}
