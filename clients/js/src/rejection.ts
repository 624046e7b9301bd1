/** An error response of the server or of a proxy, or a goodbye of the server. */
export class Rejection extends Error {
  override readonly name = "Rejection";

  /**
   * @param status the HTTP status. A goodbye has 503 if a client should reconnect, 401 if it is `not_allowed`, and
   *   otherwise 403. 0 if a WebSocket or WebTransport session broke
   * @param code the server's error code, or the close code of a WebSocket or WebTransport session. `undefined` if the
   *   server has not responded
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
