import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { isFinal } from "./ending.js";
import { Pause } from "./pause.js";
import type { Fault } from "./rejection.js";
import { request } from "./request.js";
import { OPEN_TIMEOUT } from "./transport.js";
import type { Options, PublishOptions } from "./types.js";

const ATTEMPTS = 5;
/** The slowest upload that is waited for, in bytes per millisecond: fetch reports nothing while bytes move. */
const SLOWEST = 16;
/** If a publish takes longer than this, in milliseconds, plus an upload with `USUAL` bytes per millisecond, it may be
 * waiting for a connection. */
const SOON = 2_000;
const USUAL = 64;

/**
 * Publishes once, even if several attempts are needed. The server recognises a repeated attempt by its key.
 *
 * @param wait called if the request may be waiting for a connection. Over HTTP/1.1 a browser opens six to one host.
 */
export async function publish(
  address: Address,
  options: Options<any>,
  wait: () => void,
  data: string | Uint8Array,
  given: string | PublishOptions = {},
): Promise<string> {
  const { topic = address.topic, ...own } = typeof given === "string" ? { topic: given } : given;
  if (!topic) throw new TypeError("no topic");
  const backoff = new Backoff();
  const isText = typeof data === "string";
  if (!isText && !ArrayBuffer.isView(data)) throw new TypeError("not text or bytes");
  const headers: Record<string, any> = {
    // Not `randomUUID`, because pages have that only over HTTPS.
    "idempotency-key": `${crypto.getRandomValues(new Uint32Array(4))}`,
    // The content type does not decide whether a payload is text.
    "tidings-kind": isText ? "text" : "binary",
  };
  // `fetch` sends bytes without a content type, and text as `text/plain`.
  if (!isText) headers["content-type"] = "application/octet-stream";
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined) headers[name.replace(/^(?=e|ti)/, "tidings-").replace("_", "-")] = value;
  }
  let wasRejected = false;
  let atLeast;
  for (let attempt = 1; ; attempt++) {
    const abort = new AbortController();
    const limit = (options.openTimeout ?? OPEN_TIMEOUT) + data.length / SLOWEST;
    const fault = `no response in ${limit} ms: all connections used?`;
    const timers: ReturnType<typeof setTimeout>[] = [];
    try {
      const token = await options.token?.(wasRejected);
      timers.push(setTimeout(() => abort.abort(new Error(fault)), limit));
      timers.push(setTimeout(wait, SOON + data.length / USUAL));
      const sender = { options, token, signal: abort.signal };
      const init = { method: "POST", body: data as BodyInit };
      return (await (await request(sender, address.publication(topic), headers, init)).json()).id;
    } catch (error) {
      const { status, retryAfter } = error as Fault;
      const isUnknown = status === 401;
      if (attempt === ATTEMPTS || (isUnknown ? wasRejected || !options.token : isFinal(status))) throw error;
      // Before all attempts have failed, because that may take a minute.
      if (abort.signal.aborted) console.error("tidings:", "publish", error);
      wasRejected = isUnknown;
      atLeast = retryAfter;
    } finally {
      timers.forEach(clearTimeout);
    }
    if (!wasRejected) await new Pause().sleep(backoff.delay(atLeast));
  }
}
