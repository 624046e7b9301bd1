/** An answer of the hub, or of a proxy before it, that is not what was asked for. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  /**
   * @param code the hub's name of the fault; `undefined` where it was not the hub that answered
   * @param retryAfter milliseconds, where the answer asks for them
   */
  constructor(
    readonly status: number,
    readonly code?: string,
    message = `HTTP status ${status}`,
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** Whether asking again, by any transport, is of no use: the hub itself says that the request is wrong. */
  get isFinal(): boolean {
    const isOfTheRequest = /^4(?!01|08|26|29)/.test(String(this.status));
    return isOfTheRequest && this.code !== undefined && this.code !== "bad_transport";
  }

  /** Whether the hub answered, and is only not able to at present: another transport would not help. */
  get isBusy(): boolean {
    return this.code !== undefined && (this.status === 429 || this.status === 503);
  }
}

/** What an answer other than the expected one says. */
export async function refusal(response: Response): Promise<Refusal> {
  const { status, headers } = response;
  const { error } = await response.json().catch(() => ({}));
  // Others write such answers as well, with numbers for codes.
  const code = typeof error?.code === "string" ? error.code : undefined;
  return new Refusal(status, code, error?.message, milliseconds(headers.get("retry-after")));
}

/** `Retry-After` is seconds or a date (RFC 9110, section 10.2.3). */
function milliseconds(after: string | null): number | undefined {
  const wait = after && !/\D/.test(after) ? Number(after) * 1000 : Date.parse(after ?? "") - Date.now();
  return wait >= 0 ? wait : undefined;
}
