import { rejection } from "./ending.js";
import type { Options } from "./types.js";

/** Everything that a request needs besides its URL. */
export interface Sender {
  readonly options: Options<any>;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends a request with the headers, the credentials and the token of a feed. Returns the response if its status is 200.
 *
 * `no-store` is for pages. The HTTP cache of a browser sends only one request for a URL at a time, unless the request
 * cannot be stored. A second tab would wait for the poll of the first one.
 *
 * @throws Rejection for any other status.
 */
export async function request(
  { options, token, signal }: Sender,
  url: URL,
  headers?: Record<string, string>,
  init?: RequestInit,
): Promise<Response> {
  const response = await (options.fetch ?? fetch)(url, {
    cache: "no-store",
    // An `undefined` member is the same as a missing one.
    credentials: options.credentials as RequestCredentials,
    signal,
    ...init,
    // RFC 6750, section 2.1.
    headers: { ...options.headers, ...(token && { authorization: `Bearer ${token}` }), ...headers },
  });
  if (response.status !== 200) throw await rejection(response);
  return response;
}
